#include "mpira/base/deflate.hpp"

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

}  // namespace mpira
