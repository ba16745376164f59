/*
 * What is made on the node before a process starts: folders, and the link to its log.
 */
#ifndef BAREPOD_FOLDER_H
#define BAREPOD_FOLDER_H

/** Makes a folder with its missing parents, mode 0755; ends the launcher if that fails. */
void make_folder(const char *path);
/** Makes a symbolic link at `path`, in the place of one that is there. */
void make_link(const char *content, const char *path);

#endif
