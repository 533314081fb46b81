#include "config.hpp"

#include <cstdlib>

#include <doctest/doctest.h>

namespace {

using pyport::Errc;
using pyport::parse_command_line;

TEST_CASE("config: defaults, and values that replace them") {
  const char* const arguments[] = {
      "--spin-us=0", "--kill-after=250", "--python-path=/a", "--python-path=/b"};
  auto config = parse_command_line(arguments);
  REQUIRE(config.ok());
  CHECK(config.value().spin_us == 0);
  CHECK(config.value().switch_interval_us == 500);
  CHECK(config.value().kill_after == pyport::milliseconds(250));
  CHECK(config.value().python_path == std::vector<std::string>{"/a", "/b"});
}

TEST_CASE("config: a bad value names the option and the accepted form") {
  const char* const arguments[] = {"--spin-us=fast"};
  const auto config = parse_command_line(arguments);
  REQUIRE_FALSE(config.ok());
  CHECK(config.error().code == Errc::usage);
  CHECK(config.error().detail == "--spin-us=fast: expected a whole number of us from 0 to 10000");
}

TEST_CASE("config: out of range, empty, negative and trailing text are all refused") {
  for (const char* const argument :
       {"--spin-us=10001", "--spin-us=", "--spin-us=-1", "--spin-us=5x", "--lib="}) {
    const char* const arguments[] = {argument};
    CHECK_FALSE(parse_command_line(arguments).ok());
  }
}

TEST_CASE("config: an unknown option is named") {
  const char* const arguments[] = {"--colour=blue"};
  const auto config = parse_command_line(arguments);
  REQUIRE_FALSE(config.ok());
  CHECK(config.error().detail == "unknown option --colour; --help lists them");
}

TEST_CASE("config: a word that is no option is refused") {
  const char* const arguments[] = {"start"};
  CHECK_FALSE(parse_command_line(arguments).ok());
}

TEST_CASE("config: --help names every option that is parsed") {
  const std::string help = pyport::help_text();
  for (const char* const name : {"--stdio",
                                 "--bulk",
                                 "--bulk-threshold",
                                 "--tmp-dir",
                                 "--buffer-memory-max",
                                 "--resource-bytes-max",
                                 "--buffers-max",
                                 "--channel-bytes-max",
                                 "--channels-max",
                                 "--lib",
                                 "--python",
                                 "--python-path",
                                 "--kill-after",
                                 "--memory-limit",
                                 "--cpu-limit",
                                 "--frame-bytes-max"})
    CHECK(help.find(name) != std::string::npos);
}

TEST_CASE("config: the options of buffers and of the bulk lane, and their defaults") {
  const char* const arguments[] = {
      "--bulk=/b", "--bulk-threshold=0", "--tmp-dir=/t", "--buffers-max=7"};
  auto given = parse_command_line(arguments);
  REQUIRE(given.ok());
  CHECK(given.value().bulk == "/b");
  CHECK(given.value().bulk_threshold == 0);
  CHECK(given.value().tmp_dir == "/t");
  CHECK(given.value().buffers_max == 7);
  auto defaults = parse_command_line({});
  REQUIRE(defaults.ok());
  CHECK(defaults.value().bulk.empty());
  CHECK(defaults.value().bulk_threshold == 98304);
  CHECK(defaults.value().buffer_memory_max == std::uint64_t{256} << 20);
  CHECK(defaults.value().resource_bytes_max == std::uint64_t{16} << 30);
  CHECK(defaults.value().buffers_max == 65536);
}

TEST_CASE("config: the options of channels, and their defaults") {
  const char* const arguments[] = {"--channel-bytes-max=65536", "--channels-max=3"};
  auto given = parse_command_line(arguments);
  REQUIRE(given.ok());
  CHECK(given.value().channel_bytes_max == 65536);
  CHECK(given.value().channels_max == 3);
  auto defaults = parse_command_line({});
  REQUIRE(defaults.ok());
  CHECK(defaults.value().channel_bytes_max == 268435456);
  CHECK(defaults.value().channels_max == 65536);
  const char* const small[] = {"--channel-bytes-max=65535"};
  CHECK_FALSE(parse_command_line(small).ok());
}

TEST_CASE("config: the files of buffers go where TMPDIR says, and to /tmp without it") {
  const char* const before = std::getenv("TMPDIR");
  const std::string kept = before != nullptr ? before : "";
  ::setenv("TMPDIR", "/elsewhere", 1);
  auto named = parse_command_line({});
  ::unsetenv("TMPDIR");
  auto unnamed = parse_command_line({});
  if (before != nullptr) ::setenv("TMPDIR", kept.c_str(), 1);
  REQUIRE(named.ok());
  CHECK(named.value().tmp_dir == "/elsewhere");
  REQUIRE(unnamed.ok());
  CHECK(unnamed.value().tmp_dir == "/tmp");
}

}  // namespace
