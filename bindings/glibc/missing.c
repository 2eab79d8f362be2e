/* Definitions of what the libraries of the C++ runtime and libav use and glibc 2.28 does not have. Hidden, so that the
 * native library does not export them. */

#include <sys/syscall.h>
#include <unistd.h>

/* glibc 2.32. True would allow libsupc++ to count references without atomic instructions. */
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;

/* glibc 2.30. */
__attribute__((visibility("hidden"))) int gettid(void) {
    return (int)syscall(SYS_gettid);
}
