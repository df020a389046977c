#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace mpira {

/// Compresses blocks as zlib streams (RFC 1950) or gzip members (RFC 1952; members one after another are one
/// gzip file). The same bytes and level give the same result. Move-only. Threads: one at a time.
class Deflater {
public:
    /// 1 (fast) to 12 (small), libdeflate's levels.
    explicit Deflater(int level);
    Deflater(Deflater&&) noexcept;
    Deflater& operator=(Deflater&&) noexcept;
    ~Deflater();

    /// `out` is replaced.
    void zlib(std::span<std::byte const> bytes, std::vector<std::byte>& out);
    void gzip(std::span<std::byte const> bytes, std::vector<std::byte>& out);

private:
    struct State;
    std::unique_ptr<State> state_;
};

enum class Deflated : std::uint8_t { zlib, gzip };

/// Fills `out`, whose size must be the content's. False where the bytes are no such stream, damaged, or of
/// another size.
bool inflate(Deflated form, std::span<std::byte const> bytes, std::span<std::byte> out);
/// Of content whose size isn't known, up to `most` bytes; nothing where it is damaged or larger.
std::optional<std::vector<std::byte>> inflate(Deflated form, std::span<std::byte const> bytes,
                                              std::size_t most);
/// A whole gzip file, of one member or many (bgzip's is one of 64 KiB each), up to `most` bytes of content.
/// `fits` says which it was where nothing comes back: false, it is larger; true, it is damaged or cut off.
struct Gunzipped {
    std::optional<std::vector<std::byte>> content;
    bool fits = true;
};
Gunzipped gunzip(std::span<std::byte const> bytes, std::size_t most);

}  // namespace mpira
