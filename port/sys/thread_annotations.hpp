// Names for clang's -Wthread-safety. GCC sees nothing. `make check` builds with clang and
// -Werror=thread-safety, so a broken locking rule is a compile error, not a comment.
#pragma once

#if defined(__clang__)
#define PYPORT_TSA(x) __attribute__((x))
#else
#define PYPORT_TSA(x)
#endif

#define PYPORT_CAPABILITY(name) PYPORT_TSA(capability(name))
#define PYPORT_SCOPED_CAPABILITY PYPORT_TSA(scoped_lockable)
#define PYPORT_GUARDED_BY(x) PYPORT_TSA(guarded_by(x))
#define PYPORT_PT_GUARDED_BY(x) PYPORT_TSA(pt_guarded_by(x))
#define PYPORT_REQUIRES(...) PYPORT_TSA(requires_capability(__VA_ARGS__))
#define PYPORT_EXCLUDES(...) PYPORT_TSA(locks_excluded(__VA_ARGS__))
#define PYPORT_ACQUIRE(...) PYPORT_TSA(acquire_capability(__VA_ARGS__))
#define PYPORT_TRY_ACQUIRE(...) PYPORT_TSA(try_acquire_capability(__VA_ARGS__))
#define PYPORT_RELEASE(...) PYPORT_TSA(release_capability(__VA_ARGS__))
#define PYPORT_ASSERT_HELD(...) PYPORT_TSA(assert_capability(__VA_ARGS__))
