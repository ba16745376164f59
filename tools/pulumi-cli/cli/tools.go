//go:build tools

// Package tools names the command that set-up builds, so that go.mod and go.sum pin it with everything it needs.
package tools

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
