#include "mpira/base/mapped_file.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mpira/base/error.hpp"

namespace mpira {

MappedFile::MappedFile(std::filesystem::path const& file) {
    int const descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) fail_usage("cannot open " + file.string() + ": " + std::strerror(errno));
    struct stat info {};
    bool const regular = ::fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode);
    if (regular && info.st_size > 0) {
        size_ = static_cast<std::size_t>(info.st_size);
        void* const at = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor, 0);
        if (at == MAP_FAILED) {  // NOLINT: the macro is an old-style cast
            int const code = errno;
            ::close(descriptor);
            fail_usage("cannot map " + file.string() + ": " + std::strerror(code));
        }
        data_ = static_cast<std::byte const*>(at);
    }
    ::close(descriptor);
    require(regular, file.string() + " is not a regular file");
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    if (this != &other) {
        release();
        data_ = std::exchange(other.data_, nullptr);
        size_ = std::exchange(other.size_, 0);
    }
    return *this;
}

MappedFile::~MappedFile() {
    release();
}

void MappedFile::release() noexcept {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): munmap takes what mmap gave
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
    data_ = nullptr;
}

}  // namespace mpira
