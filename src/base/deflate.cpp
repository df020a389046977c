#include "mpira/base/deflate.hpp"

#include <algorithm>

#include <libdeflate.h>

#include "mpira/base/error.hpp"

namespace mpira {

struct Deflater::State {
    explicit State(int level) : compressor(::libdeflate_alloc_compressor(level)) {
        ensure(compressor != nullptr, "libdeflate gives no compressor of this level");
    }
    State(State const&) = delete;
    State& operator=(State const&) = delete;
    ~State() { ::libdeflate_free_compressor(compressor); }
    ::libdeflate_compressor* compressor;
};

Deflater::Deflater(int level) : state_(std::make_unique<State>(level)) {}
Deflater::Deflater(Deflater&&) noexcept = default;
Deflater& Deflater::operator=(Deflater&&) noexcept = default;
Deflater::~Deflater() = default;

void Deflater::zlib(std::span<std::byte const> bytes, std::vector<std::byte>& out) {
    auto* const compressor = state_->compressor;
    out.resize(::libdeflate_zlib_compress_bound(compressor, bytes.size()));
    auto const size =
        ::libdeflate_zlib_compress(compressor, bytes.data(), bytes.size(), out.data(), out.size());
    ensure(size > 0, "libdeflate's own bound was too small");
    out.resize(size);
}

void Deflater::gzip(std::span<std::byte const> bytes, std::vector<std::byte>& out) {
    auto* const compressor = state_->compressor;
    out.resize(::libdeflate_gzip_compress_bound(compressor, bytes.size()));
    auto const size =
        ::libdeflate_gzip_compress(compressor, bytes.data(), bytes.size(), out.data(), out.size());
    ensure(size > 0, "libdeflate's own bound was too small");
    out.resize(size);
}

namespace {

struct FreeDecompressor {
    void operator()(::libdeflate_decompressor* one) const { ::libdeflate_free_decompressor(one); }
};

using Decompressor = std::unique_ptr<::libdeflate_decompressor, FreeDecompressor>;

Decompressor make_decompressor() {
    Decompressor one(::libdeflate_alloc_decompressor());
    ensure(one != nullptr, "libdeflate gives no decompressor");
    return one;
}

::libdeflate_result inflate_once(Deflated form, std::span<std::byte const> bytes, std::span<std::byte> out,
                                 std::size_t* size) {
    auto* const decompress =
        form == Deflated::zlib ? ::libdeflate_zlib_decompress : ::libdeflate_gzip_decompress;
    return decompress(make_decompressor().get(), bytes.data(), bytes.size(), out.data(), out.size(), size);
}

std::size_t guessed_size(std::span<std::byte const> bytes) {
    constexpr std::size_t kTimesSmaller = 8;
    return bytes.size() * kTimesSmaller + 64;
}

}  // namespace

bool inflate(Deflated form, std::span<std::byte const> bytes, std::span<std::byte> out) {
    // Without a place for the size, libdeflate takes only content of exactly the size of `out`.
    return inflate_once(form, bytes, out, nullptr) == LIBDEFLATE_SUCCESS;
}

std::optional<std::vector<std::byte>> inflate(Deflated form, std::span<std::byte const> bytes,
                                              std::size_t most) {
    std::vector<std::byte> out(std::min(most, guessed_size(bytes)));
    while (true) {
        std::size_t size = 0;
        auto const result = inflate_once(form, bytes, out, &size);
        if (result == LIBDEFLATE_SUCCESS) {
            out.resize(size);
            return out;
        }
        if (result != LIBDEFLATE_INSUFFICIENT_SPACE || out.size() >= most) return std::nullopt;
        out.resize(std::min(most, out.size() * 2));
    }
}

Gunzipped gunzip(std::span<std::byte const> bytes, std::size_t most) {
    auto const decompressor = make_decompressor();
    std::vector<std::byte> out;
    std::size_t filled = 0;
    while (!bytes.empty()) {
        if (out.size() == filled) out.resize(std::min(most, filled + guessed_size(bytes)));
        std::size_t read = 0;
        std::size_t written = 0;
        auto const result =
            ::libdeflate_gzip_decompress_ex(decompressor.get(), bytes.data(), bytes.size(),
                                            out.data() + filled, out.size() - filled, &read, &written);
        if (result == LIBDEFLATE_SUCCESS) {
            bytes = bytes.subspan(read);
            filled += written;
        } else if (result != LIBDEFLATE_INSUFFICIENT_SPACE) {
            return {std::nullopt, true};
        } else if (out.size() >= most) {
            return {std::nullopt, false};
        } else {
            out.resize(std::min(most, out.size() * 2));
        }
    }
    out.resize(filled);
    out.shrink_to_fit();
    return {std::move(out), true};
}

}  // namespace mpira
