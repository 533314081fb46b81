// The bulk lane of the process: its socket, who writes to it, and the thread that reads it. Nothing
// of that exists without a socket.
#pragma once

#include <optional>
#include <thread>

#include "host/store_messages.hpp"
#include "link/bulk_lane.hpp"
#include "link/bulk_writer.hpp"
#include "sys/fd.hpp"

namespace pyport::host {

class Bulk {
 public:
  Bulk(UniqueFd fd, link::Traffic& traffic) noexcept : fd_(std::move(fd)) {
    if (fd_.get() >= 0) writer_.emplace(fd_.get(), traffic);
  }

  // Null: there is no lane.
  [[nodiscard]] link::BulkWriter* writer() noexcept { return writer_ ? &*writer_ : nullptr; }

  // Starts the thread, once. It never ends before the process; everything outlives it.
  void start(const link::LaneParts& parts, store::Buffers& buffers) {
    if (!writer_) return;
    writes_.emplace(buffers);
    lane_.emplace(fd_.get(), parts, *writes_);
    thread_ = std::thread([this] { lane_->run(); });
  }

 private:
  UniqueFd fd_;
  std::optional<link::BulkWriter> writer_;
  std::optional<StoreWrites> writes_;
  std::optional<link::BulkLane> lane_;
  std::thread thread_;
};

}  // namespace pyport::host
