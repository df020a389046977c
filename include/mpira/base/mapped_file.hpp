#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace mpira {

/// A file mapped read-only: the page cache is the one copy a node holds, whatever the number of ranks.
///
/// Owner, move-only. Threads: reading is free for all. Throws Origin::usage when the file can't be opened,
/// with its name.
class MappedFile {
public:
    explicit MappedFile(std::filesystem::path const& file);
    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;
    MappedFile(MappedFile const&) = delete;
    MappedFile& operator=(MappedFile const&) = delete;
    ~MappedFile();

    [[nodiscard]] std::span<std::byte const> bytes() const noexcept { return {data_, size_}; }

private:
    void release() noexcept;
    std::byte const* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace mpira
