/**
 * Shell that defines `inode_of FILE`, which sets `inode` and `mounted`: the file's number, and that of the mount that it is
 * seen through. It costs no process where the kernel tells the number to whoever has the file open (5.14 and later;
 * proc(5), fdinfo); otherwise, or for a file that cannot be opened, `inode` is empty. Never for a pipe: opening one waits.
 */
export const inodeFunction = `inode_of() {
inode='' mounted=''
{ while read -r key value; do
case $key in ino:) inode=$value ;; mnt_id:) mounted=$value ;; esac
done < /proc/self/fdinfo/3; } 2>/dev/null 3< "$1" || :
}`;
