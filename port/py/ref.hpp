// PyObject* with its ownership in the type.
//
//   PyRef          owns one reference. Move only. Born by steal() or share(), which say which.
//   PyObject*      always borrowed; never stored past the statement that got it.
//   DeferredPyRef  owns one reference and may die on any thread: its death is queued
//   (decref_queue).
//
// Because ~PyRef REQUIRES(gil), clang rejects a local PyRef that outlives its GilHeld. It does not
// see members or std:: containers: keep DeferredPyRef there.
#pragma once

#include <utility>

#include "py/gil.hpp"

namespace pyport::py {

class [[nodiscard]] PyRef {
 public:
  PyRef() noexcept = default;
  static PyRef steal(PyObject* object) noexcept { return PyRef(object); }
  static PyRef share(PyObject* object) noexcept PYPORT_REQUIRES(gil) {
    Py_XINCREF(object);
    return PyRef(object);
  }

  PyRef(PyRef&& other) noexcept : object_(other.release()) {}
  PyRef& operator=(PyRef&& other) noexcept PYPORT_REQUIRES(gil) {
    // Release last: a decref can run __del__, which can reach *this again.
    PyObject* old = std::exchange(object_, other.release());
    Py_XDECREF(old);
    return *this;
  }
  PyRef(const PyRef&) = delete;
  PyRef& operator=(const PyRef&) = delete;
  ~PyRef() PYPORT_REQUIRES(gil) { Py_XDECREF(object_); }

  [[nodiscard]] PyObject* get() const noexcept { return object_; }
  [[nodiscard]] PyObject* release() noexcept { return std::exchange(object_, nullptr); }
  explicit operator bool() const noexcept { return object_ != nullptr; }

 private:
  explicit PyRef(PyObject* object) noexcept : object_(object) {}
  PyObject* object_ = nullptr;
};

// A new reference to a borrowed object (null stays null), and the end of one: for slots of CPython
// and for arrays of PyObject*, where a PyRef cannot stand.
[[nodiscard]] inline PyObject* keep(PyObject* borrowed) noexcept PYPORT_REQUIRES(gil) {
  Py_XINCREF(borrowed);
  return borrowed;
}
inline void drop(PyObject* owned) noexcept PYPORT_REQUIRES(gil) {
  Py_XDECREF(owned);
}

}  // namespace pyport::py
