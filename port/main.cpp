// The program: reads its command line, builds every object as a local in the order in which they
// depend on each other, and runs. It ends as a whole (sys/process.hpp), so nothing here is torn
// down.

#include <cstdio>
#include <thread>

#include "config.hpp"
#include "host/bulk.hpp"
#include "host/resources.hpp"
#include "link/outgoing.hpp"
#include "link/session.hpp"
#include "py/contexts.hpp"
#include "py/conversion_state.hpp"
#include "py/interpreter.hpp"
#include "sys/descriptors.hpp"
#include "sys/log.hpp"
#include "sys/process.hpp"

namespace {

using namespace pyport;  // NOLINT(google-build-using-namespace) -- the file that ties them together

int fail(const Error& error) {
  log_line(error.detail);
  if (error.code == Errc::usage) return static_cast<int>(Exit::usage);
  return static_cast<int>(error.code == Errc::python ? Exit::no_python : Exit::os_error);
}

host::Resources::Limits limits_of(const Config& config) {
  return {{config.buffer_memory_max, config.resource_bytes_max, config.tmp_dir},
          config.buffers_max,
          {config.channel_bytes_max, config.channels_max}};
}

// What Python objects stand for lives outside Python.
void connect_conversions(host::Resources& resources, link::Outgoing& outgoing, const Config& config)
    PYPORT_REQUIRES(py::gil) {
  py::conversions.buffers = &resources.buffers();
  py::conversions.channels = &resources.channels();
  py::conversions.dropped = &resources.dropped();
  py::conversions.processes = &resources.processes();
  py::conversions.outgoing = &outgoing;
  py::conversions.message_bytes_max = config.frame_bytes_max - wire::kControlHeaderBytes;
}

int run(const Config& config) {
  const auto entered =
      enter_process(config.memory_limit == 0 ? Memory::unlimited : Memory::limited);
  if (!entered.ok()) return fail(entered.error());
  auto fds = take_link();
  if (!fds.ok()) return fail(fds.error());
  const auto streams = set_standard_streams(config.stdio);
  if (!streams.ok()) return fail(streams.error());
  auto bulk_fd = connect_bulk_lane(config.bulk);
  if (!bulk_fd.ok()) return fail(bulk_fd.error());

  // With one processor whoever spins keeps the other side from running.
  const auto spin = microseconds(usable_cpus() > 1 ? config.spin_us : 0);
  const WakeFd reader_wake;
  link::AnswerWriter writer(fds.value().out.get(), config.frame_bytes_max);
  link::PacketReader reader(fds.value().in.get(), config.frame_bytes_max);
  link::Dispatcher dispatcher(
      writer, {config.queue_max, spin, milliseconds(config.standby_tick_ms), config.memory_limit});
  const py::OutputLimits output_limits{static_cast<double>(config.output_lines_per_s),
                                       static_cast<double>(config.output_burst_lines),
                                       config.output_line_bytes_max};
  py::Output output(writer, reader_wake, output_limits);
  py::DecrefQueue decrefs;
  link::Outgoing outgoing(writer, reader_wake);
  host::Resources resources(limits_of(config), writer, reader_wake, outgoing);
  link::Traffic traffic;
  host::Bulk bulk(std::move(bulk_fd).value(), traffic);
  const auto python = py::start_interpreter(
      {config.python, config.library, config.python_path, microseconds(config.switch_interval_us)});
  if (!python.ok()) return fail(python.error());
  py::gil.assert_held();
  if (!config.stdio.empty() && !output.install())
    return fail({Errc::python, "the output streams do not load"});
  // Not even released at the end: the process ends as a whole.
  PyObject* const pristine = py::make_pristine_namespace().release();
  if (pristine == nullptr) return fail({Errc::python, "no namespace"});
  connect_conversions(resources, outgoing, config);
  py::Shared shared{dispatcher,
                    writer,
                    reader_wake,
                    output,
                    decrefs,
                    pristine,
                    config.frame_bytes_max - wire::kControlHeaderBytes,
                    resources.dropped(),
                    config.bulk_threshold == 0 ? nullptr : bulk.writer(),
                    config.bulk_threshold};
  link::HostFacts facts = py::python_facts();
  facts.packet_bytes_max = static_cast<std::uint32_t>(config.frame_bytes_max);
  PyThreadState* const main_state = py::gil.leave();

  py::Contexts contexts(shared);
  link::Messages messages(
      writer, dispatcher, contexts, resources.messages(), traffic, facts, config.kill_after);
  link::Session session(reader, writer, messages, reader_wake, spin);
  dispatcher.connect(session, contexts);
  link::Inbox* const main_inbox = dispatcher.open(0, config.kill_after);
  const std::thread standby([&dispatcher] { dispatcher.run_standby(); });
  const std::thread interrupter([&contexts] { contexts.run_interrupter(py::new_thread_state()); });
  const std::thread late_writer([&outgoing] { outgoing.run(); });
  bulk.start({messages, writer, reader_wake, config.frame_bytes_max}, resources.buffers());
  // Behind the threads: their stacks are not what the user meant to limit.
  const auto limited = limit_process(config.memory_limit, config.cpu_limit);
  if (!limited.ok()) exit_process(static_cast<Exit>(fail(limited.error())));
  contexts.run_main(*main_inbox, main_state);
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape) -- no memory or thread to start with: terminate says so
int main(int argc, char** argv) {
  const auto arguments = std::span<const char* const>(argv, static_cast<std::size_t>(argc));
  auto config = parse_command_line(arguments.subspan(1));
  if (!config.ok()) return fail(config.error());
  switch (config.value().action) {
    case Config::Action::help:
      std::fputs(help_text().c_str(), stdout);
      return 0;
    case Config::Action::version:
      std::fputs("pyport " PYPORT_VERSION "\n", stdout);
      return 0;
    case Config::Action::run:
      return run(config.value());
  }
  return 0;
}
