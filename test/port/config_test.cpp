#include "config.hpp"

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
                                 "--lib",
                                 "--python",
                                 "--python-path",
                                 "--kill-after",
                                 "--memory-limit",
                                 "--cpu-limit",
                                 "--frame-bytes-max"})
    CHECK(help.find(name) != std::string::npos);
}

}  // namespace
