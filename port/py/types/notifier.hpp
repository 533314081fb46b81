// _erlang.Notifier: what erlang._async watches, one for each event loop.
#pragma once

#include <memory>

#include "py/ref.hpp"
#include "store/notifier.hpp"

namespace pyport::py {

struct NotifierObject {
  PyObject head;
  // Owners: this object, and everything that still has a token to give.
  std::shared_ptr<store::Notifier> notifier;
};

[[nodiscard]] PyType_Spec& notifier_spec() noexcept;

// Borrowed from `object`; null with a TypeError set when it is no Notifier.
[[nodiscard]] NotifierObject* to_notifier(PyObject* object) PYPORT_REQUIRES(gil);

}  // namespace pyport::py
