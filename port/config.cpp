#include "config.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace pyport {
namespace {

struct NumberOption {
  const char* name;
  const char* unit;
  std::uint64_t Config::*field;
  std::uint64_t min;
  std::uint64_t max;
  const char* help;
};

constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 48;

constexpr NumberOption kNumbers[] = {
    {"frame-bytes-max",
     "bytes",
     &Config::frame_bytes_max,
     1024,
     std::uint64_t{1} << 31,
     "largest packet on the link, either way"},
    {"queue-max",
     "requests",
     &Config::queue_max,
     1,
     10'000'000,
     "requests that wait in all contexts; more are refused"},
    {"spin-us",
     "us",
     &Config::spin_us,
     0,
     10'000,
     "how long an idle thread looks at the link before it sleeps"},
    {"switch-interval-us",
     "us",
     &Config::switch_interval_us,
     50,
     1'000'000,
     "sys.setswitchinterval: how long one thread may keep the GIL from another"},
    {"standby-tick-ms",
     "ms",
     &Config::standby_tick_ms,
     1,
     1000,
     "how long the link may go unread while Python runs"},
    {"memory-limit",
     "bytes",
     &Config::memory_limit,
     0,
     kBytesMax,
     "address space, and resident memory; 0 is no limit"},
    {"cpu-limit", "s", &Config::cpu_limit, 0, 1'000'000'000, "CPU time; 0 is no limit"},
    {"bulk-threshold",
     "bytes",
     &Config::bulk_threshold,
     0,
     std::uint64_t{1} << 31,
     "answers of so many bytes or more take the bulk lane; 0 is never"},
    {"buffer-memory-max",
     "bytes",
     &Config::buffer_memory_max,
     0,
     kBytesMax,
     "what all buffers hold in memory; more goes to files"},
    {"resource-bytes-max",
     "bytes",
     &Config::resource_bytes_max,
     0,
     kBytesMax,
     "what all buffers hold in memory and files; writers wait beyond it"},
    {"buffers-max",
     "buffers",
     &Config::buffers_max,
     1,
     10'000'000,
     "buffers at once; more are refused"},
    {"channel-bytes-max",
     "bytes",
     &Config::channel_bytes_max,
     65536,
     kBytesMax,
     "what all channels hold in memory, each way; senders wait beyond it"},
    {"channels-max",
     "channels",
     &Config::channels_max,
     1,
     10'000'000,
     "channels at once; more are refused"},
    {"output-lines-per-s",
     "lines/s",
     &Config::output_lines_per_s,
     1,
     10'000'000,
     "printed lines that are forwarded"},
    {"output-burst-lines",
     "lines",
     &Config::output_burst_lines,
     1,
     10'000'000,
     "printed lines forwarded at once before the rate applies"},
    {"output-line-bytes-max",
     "bytes",
     &Config::output_line_bytes_max,
     64,
     1'000'000,
     "longest printed line; longer ones go out in pieces"},
};

struct TextOption {
  const char* name;
  std::string Config::*field;
  const char* help;
};

constexpr TextOption kTexts[] = {
    {"stdio", &Config::stdio, "unix socket that takes stdout and stderr"},
    {"bulk", &Config::bulk, "unix socket that takes the bulk lane (default: there is none)"},
    {"tmp-dir",
     &Config::tmp_dir,
     "directory of the files of buffers (default: $TMPDIR, or else /tmp)"},
    {"lib",
     &Config::library,
     "directory that holds the Python package `erlang` (default: `python` beside the program)"},
    {"python", &Config::python, "Python executable that decides sys.prefix and site-packages"},
};

Error bad_value(std::string_view name, std::string_view value, const std::string& accepted) {
  return Error{Errc::usage,
               "--" + std::string(name) + "=" + std::string(value) + ": expected " + accepted};
}

Result<std::uint64_t> parse_number(const NumberOption& option, std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  if (!whole || value < option.min || value > option.max) {
    return bad_value(option.name,
                     text,
                     "a whole number of " + std::string(option.unit) + " from " +
                         std::to_string(option.min) + " to " + std::to_string(option.max));
  }
  return value;
}

Result<Done> parse_kill_after(Config& config, std::string_view text) {
  if (text == "infinity") return Done{};
  static constexpr NumberOption kOption = {
      "kill-after", "ms (or `infinity`)", nullptr, 0, 1'000'000'000, ""};
  PYPORT_TRY(const std::uint64_t count, parse_number(kOption, text));
  config.kill_after = milliseconds(count);
  return Done{};
}

Result<Done> parse_option(Config& config, std::string_view name, std::string_view value) {
  for (const NumberOption& option : kNumbers) {
    if (name != option.name) continue;
    PYPORT_TRY(config.*option.field, parse_number(option, value));
    return Done{};
  }
  for (const TextOption& option : kTexts) {
    if (name != option.name) continue;
    if (value.empty()) return bad_value(name, value, "a path");
    config.*option.field = std::string(value);
    return Done{};
  }
  if (name == "kill-after") return parse_kill_after(config, value);
  if (name == "python-path") {
    if (value.empty()) return bad_value(name, value, "a directory");
    config.python_path.emplace_back(value);
    return Done{};
  }
  return Error{Errc::usage, "unknown option --" + std::string(name) + "; --help lists them"};
}

// The package lies beside the program, where `make` and `make install` put both.
std::string default_library() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::string() : (program.parent_path() / "python").string();
}

std::string default_tmp_dir() {
  const char* const named = std::getenv("TMPDIR");
  return named != nullptr && *named != '\0' ? named : "/tmp";
}

void help_line(std::string& out, std::string left, std::string_view right) {
  constexpr std::size_t kColumn = 34;
  left.resize(std::max(left.size() + 1, kColumn), ' ');
  out += "  " + left + std::string(right) + "\n";
}

}  // namespace

Result<Config> parse_command_line(std::span<const char* const> arguments) {
  Config config;
  for (const std::string_view argument : arguments) {
    if (argument == "--help" || argument == "-h") config.action = Config::Action::help;
    if (argument == "--version") config.action = Config::Action::version;
    if (config.action != Config::Action::run) return config;
    const std::size_t equals = argument.find('=');
    if (!argument.starts_with("--") || equals == std::string_view::npos) {
      return Error{Errc::usage,
                   "`" + std::string(argument) + "`: expected --NAME=VALUE; --help lists them"};
    }
    PYPORT_TRY([[maybe_unused]] auto done,
               parse_option(config, argument.substr(2, equals - 2), argument.substr(equals + 1)));
  }
  if (config.library.empty()) config.library = default_library();
  if (config.tmp_dir.empty()) config.tmp_dir = default_tmp_dir();
  return config;
}

std::string help_text() {
  const Config defaults;
  std::string out =
      "pyport " PYPORT_VERSION
      ": hosts CPython for the BEAM\n\n"
      "Started by open_port/2 with {packet, 4}, binary, nouse_stdio; speaks docs/protocol.md\n"
      "on descriptors 3 and 4.\n\n"
      "usage: pyport [--NAME=VALUE ...] | --help | --version\n\n";
  for (const TextOption& option : kTexts) {
    const std::string& value = defaults.*option.field;
    help_line(out,
              std::string("--") + option.name + "=PATH",
              option.help + (value.empty() ? std::string() : " (default " + value + ")"));
  }
  help_line(out, "--python-path=DIR", "put at the front of sys.path; may be given again");
  help_line(out,
            "--kill-after=MS|infinity",
            "ends the process when an interrupted run lasts that long (default infinity)");
  for (const NumberOption& option : kNumbers) {
    help_line(out,
              std::string("--") + option.name + "=N",
              std::string(option.help) + " (" + option.unit + ", default " +
                  std::to_string(defaults.*option.field) + ")");
  }
  out +=
      "\nexit codes: 0 end of file on the link, 64 wrong command line, 65 the peer broke the\n"
      "protocol, 69 CPython could not be started, 71 the operating system refused something.\n";
  return out;
}

}  // namespace pyport
