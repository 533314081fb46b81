#include "py/call_cache.hpp"

#include <utility>

#include "py/to_python.hpp"

namespace pyport::py {
namespace {

// True when some code object among the constants has a scope of its own.
bool has_nested_scopes(PyObject* code) PYPORT_REQUIRES(gil) {
  const PyRef constants = PyRef::steal(PyObject_GetAttrString(code, "co_consts"));
  if (!constants || PyTuple_Check(constants.get()) == 0) {
    PyErr_Clear();
    return true;  // the careful answer
  }
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(constants.get()); ++i)
    if (PyCode_Check(PyTuple_GET_ITEM(constants.get(), i)) != 0) return true;
  return false;
}

CompiledCode compile_expression(ByteView code) PYPORT_REQUIRES(gil) {
  CompiledCode made;
  made.code = compile(code, "<eval>", Py_eval_input);
  if (made.code) made.nested_scopes = has_nested_scopes(made.code.get());
  return made;
}

}  // namespace

PyRef compile(ByteView code, const char* filename, int start) {
  // As a str first: it says where bytes are not UTF-8 and that a NUL is in the way.
  const PyRef text = decode_code(code);
  if (!text) return {};
  const char* source = PyUnicode_AsUTF8(text.get());
  if (source == nullptr) return {};
  if (start == Py_eval_input)
    while (*source == ' ' || *source == '\t')
      ++source;  // as eval() does
  return PyRef::steal(Py_CompileStringExFlags(source, filename, start, nullptr, -1));
}

CallTarget* CallCache::target(const etf::CallSplit& call) {
  const std::string_view key = as_chars(call.name_key);
  const auto at = targets_.find(key);
  if (at != targets_.end()) return &at->second;
  CallTarget made;
  made.module = decode_name(call.module, "module");
  if (!made.module) return nullptr;
  made.function = decode_name(call.function, "function");
  if (!made.function) return nullptr;
  made.in_main = PyUnicode_CompareWithASCIIString(made.module.get(), "__main__") == 0;
  if (targets_.size() >= kTargetsMax) targets_.clear();
  return &targets_.emplace(std::string(key), std::move(made)).first->second;
}

CompiledCode* CallCache::expression(ByteView code) {
  const std::string_view key = as_chars(code);
  const auto at = expressions_.find(key);
  if (at != expressions_.end()) return &at->second;
  CompiledCode made = compile_expression(code);
  if (!made.code) return nullptr;
  if (code.size() > kExpressionBytesMax) {
    uncached_ = std::move(made);
    return &uncached_;
  }
  if (expressions_.size() >= kExpressionsMax) expressions_.clear();
  return &expressions_.emplace(std::string(key), std::move(made)).first->second;
}

void CallCache::clear() {
  targets_.clear();
  expressions_.clear();
  uncached_ = {};
}

}  // namespace pyport::py
