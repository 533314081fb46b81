// What the bulk lane is measured against. `bulk_sink PATH` connects to a unix stream socket and
// reads until it ends, into the same megabyte again and again, and then writes one byte.
// `bulk_sink memcpy BYTES CHUNK` prints the megabytes per second of plain memcpy between two warm
// blocks of CHUNK bytes, a megabyte at most.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { kBlockBytes = 1 << 20, kSocketBytes = 4 << 20 };

static double now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int copy(size_t bytes, size_t chunk) {
  static char from[kBlockBytes];
  static char to[kBlockBytes];
  if (chunk == 0 || chunk > kBlockBytes) return 64;
  memset(from, 1, chunk);
  memset(to, 2, chunk);
  const double start = now_s();
  size_t copied = 0;
  for (; copied < bytes; copied += chunk) {
    memcpy(to, from, chunk);
    from[copied / chunk % chunk] = to[0];  // or the compiler copies once
  }
  printf("%.0f\n", (double)copied / (now_s() - start) / 1e6);
  return 0;
}

static int sink(const char* path) {
  static char block[kBlockBytes];
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  const int size = kSocketBytes;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  if (connect(fd, (const struct sockaddr*)&address, sizeof address) != 0) return 71;
  while (read(fd, block, sizeof block) > 0)
    continue;
  return write(fd, "e", 1) == 1 ? 0 : 71;
}

int main(int argc, char** argv) {
  if (argc == 2) return sink(argv[1]);
  if (argc == 4 && strcmp(argv[1], "memcpy") == 0)
    return copy(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
  fputs("usage: bulk_sink PATH | bulk_sink memcpy BYTES CHUNK\n", stderr);
  return 64;
}
