// str objects of short ASCII names (atoms, dict keys), so that a key that comes a thousand times is
// made and hashed once. Bounded: two slots per hash, the older one makes room. Under the GIL.
//
// ASCII only: there UTF-8 and Latin-1 agree, and the str's own characters are the key.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "core/limits.hpp"
#include "py/ref.hpp"

namespace pyport::py {

class NameCache {
 public:
  NameCache() = default;
  ~NameCache() = default;
  NameCache(const NameCache&) = delete;
  NameCache& operator=(const NameCache&) = delete;

  // A new reference to the str of `name`, its hash already computed. Null: a Python exception is
  // set. REQUIRES: cacheable(name), and ASCII unless the same bytes are in the cache already.
  [[nodiscard]] PyObject* get(std::string_view name) PYPORT_REQUIRES(gil) {
    PyObject* found = find(name);
    return found != nullptr ? found : insert(name);
  }

  // The same, without making one: null and no exception when it is not there. Takes any bytes.
  // REQUIRES: cacheable(name)
  [[nodiscard]] PyObject* find(std::string_view name) PYPORT_REQUIRES(gil) {
    const std::size_t index = index_of(name);
    PyObject* first = slots_[index];
    if (first != nullptr && matches(first, name)) return keep(first);
    PyObject* second = slots_[index ^ 1];
    if (second != nullptr && matches(second, name)) return keep(second);
    return nullptr;
  }

  // REQUIRES: cacheable(name), ASCII
  [[nodiscard]] PyObject* insert(std::string_view name) PYPORT_REQUIRES(gil);

  [[nodiscard]] static bool cacheable(std::string_view name) noexcept {
    return name.size() - 1 < limits::kNameCacheBytesMax;  // 0 wraps around
  }

  void clear() PYPORT_REQUIRES(gil);

 private:
  [[nodiscard]] static bool matches(PyObject* text, std::string_view name) noexcept {
    return static_cast<std::size_t>(PyUnicode_GET_LENGTH(text)) == name.size() &&
           std::memcmp(PyUnicode_1BYTE_DATA(text), name.data(), name.size()) == 0;
  }
  // Whole words, the last one overlapping the one before: a copy of variable length would cost more
  // than all the rest of a lookup (measured 2026-11: 32 % of decoding a map).
  [[nodiscard]] static std::size_t index_of(std::string_view name) noexcept {
    const char* const at = name.data();
    const std::size_t count = name.size();
    std::uint64_t mixed = count;
    if (count >= sizeof(std::uint64_t)) {
      for (std::size_t from = 0; from + sizeof(std::uint64_t) < count;
           from += sizeof(std::uint64_t))
        mixed = mix(mixed, load<std::uint64_t>(at + from));
      mixed = mix(mixed, load<std::uint64_t>(at + count - sizeof(std::uint64_t)));
    } else if (count >= sizeof(std::uint32_t)) {
      const std::uint64_t high = load<std::uint32_t>(at);
      mixed = mix(mixed, (high << 32) | load<std::uint32_t>(at + count - sizeof(std::uint32_t)));
    } else {
      const auto byte = [at](std::size_t index) { return load<std::uint8_t>(at + index); };
      mixed = mix(mixed, (byte(0) << 16) | (byte(count / 2) << 8) | byte(count - 1));
    }
    return mixed & (limits::kNameCacheCountMax - 1);
  }
  [[nodiscard]] static std::uint64_t mix(std::uint64_t sum, std::uint64_t word) noexcept {
    constexpr std::uint64_t kMultiplier = 0x9e37'79b9'7f4a'7c15;
    const std::uint64_t product = (sum ^ word) * kMultiplier;
    return product ^ (product >> 32);
  }
  template <class Word>
  [[nodiscard]] static std::uint64_t load(const char* from) noexcept {
    Word word = 0;
    std::memcpy(&word, from, sizeof word);
    return word;
  }

  std::array<PyObject*, limits::kNameCacheCountMax> slots_{};  // owned, or null
};

}  // namespace pyport::py
