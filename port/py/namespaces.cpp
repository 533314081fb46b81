#include "py/namespaces.hpp"

#include <utility>

namespace pyport::py {

PyRef make_pristine_namespace() {
  PyRef made = PyRef::steal(PyDict_New());
  const PyRef name = PyRef::steal(PyUnicode_InternFromString("__main__"));
  const PyRef erlang = PyRef::steal(PyImport_ImportModule("erlang"));
  const PyRef builtins = PyRef::steal(PyImport_ImportModule("builtins"));
  if (!made || !name || !erlang || !builtins) return {};
  if (PyDict_SetItemString(made.get(), "__name__", name.get()) != 0) return {};
  if (PyDict_SetItemString(made.get(), "__builtins__", builtins.get()) != 0) return {};
  if (PyDict_SetItemString(made.get(), "erlang", erlang.get()) != 0) return {};
  return made;
}

PyObject* Namespaces::own() {
  if (!own_) own_ = PyRef::steal(PyDict_Copy(pristine_));
  return own_.get();
}

PyObject* Namespaces::get(std::uint64_t env) {
  PyObject* const context_names = own();
  if (env == 0 || context_names == nullptr) return context_names;
  const auto at = envs_.find(env);
  if (at != envs_.end()) return at->second.get();
  PyRef copy = PyRef::steal(PyDict_Copy(context_names));
  if (!copy) return nullptr;
  PyObject* const borrowed = copy.get();
  envs_.emplace(env, std::move(copy));
  env_count_.fetch_add(1);
  return borrowed;
}

void Namespaces::drop(std::uint64_t env) {
  const auto at = envs_.find(env);
  if (at == envs_.end()) return;
  // Functions defined in the environment refer to it: empty it, or it lives until the cyclic
  // collector comes by. Out of the map first, because a __del__ may run.
  const PyRef doomed = std::move(at->second);
  envs_.erase(at);
  env_count_.fetch_sub(1);
  PyDict_Clear(doomed.get());
}

void Namespaces::drop_all() {
  while (!envs_.empty())
    drop(envs_.begin()->first);
  if (!own_) return;
  const PyRef doomed = std::move(own_);
  PyDict_Clear(doomed.get());
}

}  // namespace pyport::py
