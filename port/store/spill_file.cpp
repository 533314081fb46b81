#include "store/spill_file.hpp"

#include <algorithm>
#include <utility>

#include "sys/temp_file.hpp"

namespace pyport::store {

namespace {

std::uint64_t whole_pages(std::uint64_t bytes) noexcept {
  return (bytes + page_bytes() - 1) & ~(std::uint64_t{page_bytes()} - 1);
}

}  // namespace

Result<std::shared_ptr<SpillFile>> SpillFile::open(std::uint64_t base, Budget& budget) {
  PYPORT_TRY(UniqueFd fd, open_temp_file(budget.tmp_dir()));
  return std::make_shared<SpillFile>(std::move(fd), base, budget);
}

std::size_t SpillFile::write(std::uint64_t position, ByteView bytes) noexcept {
  const std::size_t stored = write_at(fd_.get(), position - base_, bytes);
  bytes_.fetch_add(stored);
  budget_.add_file(stored);
  return stored;
}

Result<SpillFile::Window> SpillFile::map(const Range& range) {
  const std::uint64_t page = page_bytes();
  const std::uint64_t offset = (range.from - base_) & ~(page - 1);
  const std::uint64_t needed = whole_pages(range.to - base_ - offset);
  std::uint64_t bytes = std::max(needed, whole_pages(range.wish - base_ - offset));
  for (;;) {
    auto memory = map_file(fd_.get(), offset, bytes);
    if (memory.ok())
      return Window{std::make_shared<Mapping>(std::move(memory).value()), base_ + offset};
    if (bytes == needed) return std::move(memory).error();
    bytes = std::max(needed, whole_pages(bytes / 2));
  }
}

void SpillFile::punch(std::uint64_t from, std::uint64_t to) noexcept {
  if (!punch_hole(fd_.get(), from - base_, to - from)) return;
  bytes_.fetch_sub(to - from);
  budget_.give_file(to - from);
}

}  // namespace pyport::store
