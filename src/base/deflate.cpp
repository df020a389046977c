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

::libdeflate_result inflate_once(Deflated form, std::span<std::byte const> bytes, std::span<std::byte> out,
                                 std::size_t* size) {
    std::unique_ptr<::libdeflate_decompressor, FreeDecompressor> const one(::libdeflate_alloc_decompressor());
    ensure(one != nullptr, "libdeflate gives no decompressor");
    auto* const decompress =
        form == Deflated::zlib ? ::libdeflate_zlib_decompress : ::libdeflate_gzip_decompress;
    return decompress(one.get(), bytes.data(), bytes.size(), out.data(), out.size(), size);
}

}  // namespace

bool inflate(Deflated form, std::span<std::byte const> bytes, std::span<std::byte> out) {
    // Without a place for the size, libdeflate takes only content of exactly the size of `out`.
    return inflate_once(form, bytes, out, nullptr) == LIBDEFLATE_SUCCESS;
}

std::optional<std::vector<std::byte>> inflate(Deflated form, std::span<std::byte const> bytes,
                                              std::size_t most) {
    constexpr std::size_t kFirstGuess = 8;  // times smaller
    std::vector<std::byte> out(std::min(most, bytes.size() * kFirstGuess + 64));
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

}  // namespace mpira
