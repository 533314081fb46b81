#include "py/interpreter.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <unistd.h>

#include "py/module_erlang.hpp"
#include "py/ref.hpp"

namespace pyport::py {
namespace {

Error failed(const char* what, const PyStatus& status) {
  return Error{
      Errc::python,
      std::string(what) + ": " + (status.err_msg != nullptr ? status.err_msg : "no reason given")};
}

// The pending exception as one line; nothing is pending afterwards.
Error failed(const char* what) PYPORT_REQUIRES(gil) {
  PyErr_Print();  // to stderr, with its traceback, where the BEAM finds it
  return Error{Errc::python, what};
}

// Frees what PyConfig_Init* allocated, on every path.
struct Config {
  PyConfig config;
  Config() noexcept { PyConfig_InitPythonConfig(&config); }
  ~Config() { PyConfig_Clear(&config); }
  Config(const Config&) = delete;
  Config& operator=(const Config&) = delete;
};

Result<Done> preinitialize() {
  PyPreConfig pre;
  PyPreConfig_InitPythonConfig(&pre);
  pre.parse_argv = 0;
  // Whatever locale the BEAM runs in, terms are UTF-8 and so are file names and open().
  pre.utf8_mode = 1;
#ifdef PYPORT_SANITIZED
  pre.allocator = PYMEM_ALLOCATOR_MALLOC;
#endif
  const PyStatus status = Py_PreInitialize(&pre);
  if (PyStatus_Exception(status)) return failed("Python does not start", status);
  return Done{};
}

// `3.12` for /usr/bin/python3 when that is a link to python3.12; empty when the name does not tell.
std::string version_in_name(const std::string& executable) {
  std::error_code error;
  const std::string name = std::filesystem::canonical(executable, error).filename().string();
  static constexpr std::string_view kPrefix = "python";
  if (error || !name.starts_with(kPrefix) || name.find('.') == std::string::npos) return {};
  return name.substr(kPrefix.size());
}

Result<Done> check_executable(const std::string& executable) {
  if (::access(executable.c_str(), X_OK) != 0) {
    return Error{Errc::python, "python executable " + executable + ": " + std::strerror(errno)};
  }
  const std::string version = version_in_name(executable);
  const std::string ours =
      std::to_string(PY_MAJOR_VERSION) + "." + std::to_string(PY_MINOR_VERSION);
  if (!version.empty() && version != ours) {
    return Error{Errc::python,
                 "python executable " + executable + " is Python " + version +
                     ", this program was built for " + ours};
  }
  return Done{};
}

Result<Done> initialize(const std::string& executable) {
  Config wanted;
  PyConfig& config = wanted.config;
  config.parse_argv = 0;
  config.install_signal_handlers = 1;  // SIGINT interrupts the main context
  config.faulthandler = 1;             // the stack of a crash, on descriptor 2
  if (!executable.empty()) {
    for (wchar_t** const slot : {&config.program_name, &config.executable}) {
      const PyStatus status = PyConfig_SetBytesString(&config, slot, executable.c_str());
      if (PyStatus_Exception(status)) return failed("python executable", status);
    }
  }
  const PyStatus status = Py_InitializeFromConfig(&config);
  if (PyStatus_Exception(status)) return failed("Python does not start", status);
  return Done{};
}

bool prepend_path(const std::string& directory, Py_ssize_t at) PYPORT_REQUIRES(gil) {
  PyObject* const path = PySys_GetObject("path");
  if (path == nullptr || PyList_Check(path) == 0) return false;
  const PyRef entry = PyRef::steal(PyUnicode_DecodeFSDefault(directory.c_str()));
  return entry && PyList_Insert(path, at, entry.get()) == 0;
}

bool set_switch_interval(microseconds interval) PYPORT_REQUIRES(gil) {
  const PyRef sys = PyRef::steal(PyImport_ImportModule("sys"));
  if (!sys) return false;
  const double seconds = std::chrono::duration<double>(interval).count();
  return static_cast<bool>(
      PyRef::steal(PyObject_CallMethod(sys.get(), "setswitchinterval", "d", seconds)));
}

Result<Done> configure(const InterpreterOptions& options) PYPORT_REQUIRES(gil) {
  Py_ssize_t at = 0;
  for (const std::string& directory : options.python_path)
    if (!prepend_path(directory, at++)) return failed("sys.path");
  // Behind the user's directories, before the standard library: `erlang` is found either way, and
  // nobody's module is hidden.
  if (!options.library.empty() && !prepend_path(options.library, at)) return failed("sys.path");
  if (!prepare_conversions()) return failed("the module _erlang does not load");
  const PyRef erlang = PyRef::steal(PyImport_ImportModule("erlang"));
  if (!erlang) return failed("the package erlang does not load");
  if (!set_switch_interval(options.switch_interval)) return failed("sys.setswitchinterval");
  return Done{};
}

}  // namespace

Result<Done> start_interpreter(const InterpreterOptions& options) {
  PYPORT_TRY([[maybe_unused]] auto checked, check_executable(options.executable));
  PYPORT_TRY([[maybe_unused]] auto pre, preinitialize());
  if (!register_module()) return Error{Errc::python, "no memory for the module _erlang"};
  PYPORT_TRY([[maybe_unused]] auto started, initialize(options.executable));
  gil.assert_held();
  return configure(options);
}

link::HostFacts python_facts() {
  link::HostFacts facts;
  facts.python = Py_GetVersion();
  facts.python_version[0] = PY_MAJOR_VERSION;
  facts.python_version[1] = PY_MINOR_VERSION;
  facts.python_version[2] = PY_MICRO_VERSION;
  return facts;
}

PyThreadState* new_thread_state() {
  return PyThreadState_New(PyInterpreterState_Main());
}

void drop_thread_state(PyThreadState* thread) {
  PyEval_RestoreThread(thread);
  PyThreadState_Clear(thread);
  PyThreadState_DeleteCurrent();
}

}  // namespace pyport::py
