// The descriptors that the program lives on: the link, and the standard streams.
//
// Called once by main before any thread exists. What is opened here is close-on-exec, and is closed
// in every child that Python forks: no child can write into the link or keep it open.
#pragma once

#include <atomic>
#include <string>

#include "core/result.hpp"
#include "sys/fd.hpp"

namespace pyport {

struct LinkFds {
  UniqueFd in;   // requests from the BEAM, non-blocking
  UniqueFd out;  // answers to the BEAM, non-blocking
};

// Takes over descriptors 3 and 4 (`nouse_stdio` of open_port/2): moves them to high numbers where
// Python code that counts up from 3 does not meet them, and widens their pipes.
Result<LinkFds> take_link();

// Makes descriptor 0 `/dev/null`, and 1 and 2 streams to the BEAM (see "Standard streams" in
// docs/protocol.md): sockets connected to `socket_path`, or when that is empty the inherited
// descriptor 2.
Result<Done> set_standard_streams(const std::string& socket_path);

// Connects the bulk lane (docs/protocol.md) to the unix socket at `socket_path`: blocking, with the
// largest buffers that the system allows up to 4 MiB. No descriptor for an empty path.
Result<UniqueFd> connect_bulk_lane(const std::string& socket_path);

// Written by the handler of fork(), which gets no argument.
inline std::atomic<bool> forked_child{false};

// Is this a child that Python forked? Only the thread that forked exists there, and the link is
// closed: nothing that other threads or the BEAM have a part in works. True after take_link() only.
[[nodiscard]] inline bool in_forked_child() noexcept {
  return forked_child.load(std::memory_order_relaxed);  // set before there is a second thread
}

}  // namespace pyport
