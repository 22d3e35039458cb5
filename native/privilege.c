/*
 * Becoming an ordinary user for good, once the devices are open (capabilities(7)).
 *
 * The C library changes user and groups on all threads of the process, and with the user each thread loses its
 * capabilities. Bounding set and "no new privileges" belong to a thread; here they are set on the calling one,
 * which is the one that starts programs, and new threads inherit them.
 */
#include "tapstack.h"

#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel refuses the first number that is no capability. */
static int empty_bounding_set(void) {
  for (unsigned long capability = 0; capability < 64; capability++) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    if (errno == EINVAL) return 0;
    return -errno;
  }
  return 0;
}

static int empty_capabilities(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];
  memset(none, 0, sizeof none);
  return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

static int become(uid_t uid, gid_t gid) {
  if (geteuid() == 0) {
    int result = empty_bounding_set();
    if (result < 0) return result;
    if (setgroups(0, NULL) < 0) return -errno;
    if (setresgid(gid, gid, gid) < 0) return -errno;
    if (setresuid(uid, uid, uid) < 0) return -errno;
  } else if (geteuid() != uid || getegid() != gid) {
    return -EPERM;
  }
  /* EINVAL: a kernel without ambient capabilities. */
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL) return -errno;
  int result = empty_capabilities();
  if (result < 0) return result;
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* dropPrivileges(uid, gid) */
napi_value drop_privileges(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int32_t uid, gid;
  if (!arg_int(&args, 0, &uid) || !arg_int(&args, 1, &gid)) return answer(env, -EINVAL);
  /* Root is what this is to get rid of; -1 would mean "leave it as it is". */
  if (uid <= 0 || gid < 0) return answer(env, -EINVAL);
  int result = become((uid_t)uid, (gid_t)gid);
  if (result == 0 && setuid(0) == 0) result = -ENOTRECOVERABLE;
  return answer(env, result);
}
