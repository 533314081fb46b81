// The bare echo that pyport is measured against: packets from descriptor 3 go back on 4 as they
// came. `echo_port block` sleeps in read; `echo_port spin` tries for 50 microseconds first.
// `echo_port sink` throws packets away and sends one with the number of megabytes, 32 bits, when it
// has read another whole one.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { kIn = 3, kOut = 4, kSpinNs = 50000, kBufferBytes = 1 << 20 };

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void pause_cpu(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Reads what is there; spins on the read itself before it sleeps in poll.
static ssize_t read_spinning(char* buffer, size_t size) {
  struct pollfd in = {.fd = kIn, .events = POLLIN, .revents = 0};
  const uint64_t until = now_ns() + kSpinNs;
  for (;;) {
    const ssize_t count = read(kIn, buffer, size);
    if (count >= 0 || errno != EAGAIN) return count;
    if (now_ns() < until)
      pause_cpu();
    else
      poll(&in, 1, -1);
  }
}

static int write_all(const char* data, size_t count) {
  while (count > 0) {
    const ssize_t written = write(kOut, data, count);
    if (written < 0) {
      if (errno == EINTR) continue;
      return -1;
    }
    data += written;
    count -= (size_t)written;
  }
  return 0;
}

static int sink(char* buffer) {
  uint64_t total = 0;
  uint32_t told = 0;
  for (;;) {
    const ssize_t count = read(kIn, buffer, kBufferBytes);
    if (count == 0) return 0;
    if (count < 0 && errno != EINTR) return 1;
    if (count > 0) total += (uint64_t)count;
    if (total >> 20 == told) continue;
    told = (uint32_t)(total >> 20);
    const uint32_t packet[2] = {htonl(sizeof told), htonl(told)};
    if (write_all((const char*)packet, sizeof packet) != 0) return 1;
  }
}

int main(int argc, char** argv) {
  static char buffer[kBufferBytes];
  if (argc == 2 && strcmp(argv[1], "sink") == 0) return sink(buffer);
  const int spin = argc == 2 && strcmp(argv[1], "spin") == 0;
  if (!spin && !(argc == 2 && strcmp(argv[1], "block") == 0)) {
    fputs("usage: echo_port block|spin|sink\n", stderr);
    return 64;
  }
  if (spin) fcntl(kIn, F_SETFL, fcntl(kIn, F_GETFL) | O_NONBLOCK);
  for (;;) {
    const ssize_t count =
        spin ? read_spinning(buffer, sizeof buffer) : read(kIn, buffer, sizeof buffer);
    if (count == 0) return 0;
    if (count < 0 && errno != EINTR) return 1;
    if (count > 0 && write_all(buffer, (size_t)count) != 0) return 1;
  }
}
