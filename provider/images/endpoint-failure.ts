/** Why one endpoint did not give what it was asked for; the next one may. */

/** What an {@link EndpointFailure} knows beside its text. */
export interface EndpointFailureFacts {
  /** The HTTP status, where there was an answer. */
  readonly status?: number;
  /** Nothing was learnt of the image. */
  readonly unreachable?: boolean;
  /** The endpoint's certificate is not trusted. */
  readonly certificate?: boolean;
  /** There was no HTTP answer at all. */
  readonly silent?: boolean;
  /** What to do about it. */
  readonly next?: string | undefined;
}

/** Caught in `registry.ts`, which makes one message of all of them. */
export class EndpointFailure extends Error {
  override readonly name = "EndpointFailure";
  constructor(
    message: string,
    readonly facts: EndpointFailureFacts = {},
  ) {
    super(message);
  }
}
