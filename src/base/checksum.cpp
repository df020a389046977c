#include "mpira/base/checksum.hpp"

#include <fmt/format.h>
#include <libdeflate.h>
#include <xxhash.h>

#include "mpira/base/error.hpp"
#include "mpira/base/mapped_file.hpp"

namespace mpira {

std::uint32_t crc32(std::span<std::byte const> bytes, std::uint32_t before) {
    // zlib's values, three to nine times as fast (carry-less multiplication): rows are checked at disk speed.
    if (bytes.empty()) return before;  // a null pointer would mean: start anew
    return ::libdeflate_crc32(before, bytes.data(), bytes.size());
}

struct ContentHash::State {
    XXH3_state_t* xxh = XXH3_createState();
    ~State() { XXH3_freeState(xxh); }
    State() = default;
    State(State const&) = delete;
    State& operator=(State const&) = delete;
};

ContentHash::ContentHash() : state_(std::make_unique<State>()) {
    XXH3_128bits_reset(state_->xxh);
}
ContentHash::~ContentHash() = default;

ContentHash& ContentHash::add(std::span<std::byte const> bytes) {
    XXH3_128bits_update(state_->xxh, bytes.data(), bytes.size());
    return *this;
}

ContentHash& ContentHash::add(std::string_view text) {
    std::uint64_t const length = text.size();
    add(std::as_bytes(std::span(&length, 1)));
    return add(std::as_bytes(std::span(text.data(), text.size())));
}

std::string ContentHash::hex() const {
    auto const digest = XXH3_128bits_digest(state_->xxh);
    return fmt::format("{:016x}{:016x}", digest.high64, digest.low64);
}

std::string hash_file(std::filesystem::path const& file) {
    MappedFile const mapped(file);
    return ContentHash().add(mapped.bytes()).hex();
}

}  // namespace mpira
