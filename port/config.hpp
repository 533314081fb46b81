// The command line: every option and limit of the program with its name, unit and default.
// Read once by main; --help prints the table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "sys/clock.hpp"

namespace pyport {

struct Config {
  enum class Action { run, help, version };
  Action action = Action::run;

  std::string stdio;
  std::string bulk;
  std::string tmp_dir;  // by default $TMPDIR, else /tmp
  std::string library;  // by default `python` beside the program
  std::string python = PYPORT_PYTHON_EXECUTABLE;
  std::vector<std::string> python_path;

  std::uint64_t frame_bytes_max = std::uint64_t{128} << 20;
  std::uint64_t queue_max = 65536;
  std::uint64_t spin_us = 50;
  std::uint64_t switch_interval_us = 500;
  std::uint64_t standby_tick_ms = 10;
  std::optional<milliseconds> kill_after;  // none: never
  std::uint64_t memory_limit = 0;
  std::uint64_t cpu_limit = 0;
  std::uint64_t bulk_threshold = std::uint64_t{96} << 10;  // 0: never; measured 2026-11
  std::uint64_t buffer_memory_max = std::uint64_t{256} << 20;
  std::uint64_t resource_bytes_max = std::uint64_t{16} << 30;
  std::uint64_t buffers_max = 65536;
  std::uint64_t channel_bytes_max = std::uint64_t{256} << 20;
  std::uint64_t channels_max = 65536;
  std::uint64_t output_lines_per_s = 1000;
  std::uint64_t output_burst_lines = 2000;
  std::uint64_t output_line_bytes_max = 8192;
};

// An error names the option and the accepted form.
Result<Config> parse_command_line(std::span<const char* const> arguments);

[[nodiscard]] std::string help_text();

}  // namespace pyport
