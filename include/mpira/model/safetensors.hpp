#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/base/mapped_file.hpp"

/// The safetensors format (https://github.com/huggingface/safetensors): 8 bytes of header length, a JSON
/// header, raw little-endian tensors. No Torch here.
namespace mpira::model {

enum class ScalarType : std::uint8_t { boolean, u8, i8, i16, i32, i64, f16, bf16, f32, f64 };
std::uint64_t size_of(ScalarType type);
std::string_view name_of(ScalarType type);  ///< "F32", as written in the header

/// A tensor that lies somewhere else: row-major, contiguous.
struct TensorView {
    std::string name;
    ScalarType type = ScalarType::f32;
    std::vector<std::int64_t> shape;
    std::span<std::byte const> bytes;
};

/// A safetensors file, mapped read-only and checked as a whole when opened.
///
/// Everything the header says is checked against the file's size before anything is allocated for it: header
/// length, offsets (inside the file, in order, without gap or overlap, as the format demands), types, and
/// shape x size = bytes. A file that lies is refused (Origin::usage) with its name, the tensor's, and both
/// values. Owner, move-only. Threads: reading is free for all.
class SafetensorsFile {
public:
    /// The format's own bound on the header, 100 MB.
    static constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

    explicit SafetensorsFile(std::filesystem::path const& file);

    [[nodiscard]] std::filesystem::path const& path() const noexcept { return path_; }
    /// In the order of the bytes.
    [[nodiscard]] std::span<TensorView const> tensors() const noexcept { return tensors_; }
    [[nodiscard]] std::map<std::string, std::string> const& metadata() const noexcept { return metadata_; }
    [[nodiscard]] TensorView const* find(std::string_view name) const noexcept;
    /// The tensor of that name, or a usage error with the nearest name.
    [[nodiscard]] TensorView const& tensor(std::string_view name) const;

private:
    MappedFile mapping_;
    std::filesystem::path path_;
    std::vector<TensorView> tensors_;
    std::map<std::string, std::string> metadata_;
};

/// Writes `file` whole or not at all (mpira/base/draft_file.hpp). Readable by Python's safetensors. Tensors
/// are laid out as given; names must differ (ensure).
void write_safetensors(std::filesystem::path const& file, std::span<TensorView const> tensors,
                       std::map<std::string, std::string> const& metadata);

/// Names what tensors hold: hash over name, type, shape and bytes of each, in name order, so that the order
/// in the file and the metadata do not count.
std::string content_hash(std::span<TensorView const> tensors);

}  // namespace mpira::model
