#include "mpira/model/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>
#include <set>

#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "mpira/base/checksum.hpp"
#include "mpira/base/draft_file.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

namespace mpira::model {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian, as we read them");

using Json = nlohmann::json;

struct TypeEntry {
    ScalarType type;
    std::string_view name;
    std::uint64_t bytes;
};
constexpr TypeEntry kTypes[] = {{ScalarType::boolean, "BOOL", 1}, {ScalarType::u8, "U8", 1},
                                {ScalarType::i8, "I8", 1},        {ScalarType::i16, "I16", 2},
                                {ScalarType::i32, "I32", 4},      {ScalarType::i64, "I64", 8},
                                {ScalarType::f16, "F16", 2},      {ScalarType::bf16, "BF16", 2},
                                {ScalarType::f32, "F32", 4},      {ScalarType::f64, "F64", 8}};

TypeEntry const& entry_of(ScalarType type) {
    auto const found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                    [&](TypeEntry const& entry) { return entry.type == type; });
    ensure(found != std::end(kTypes), "a scalar type without an entry");
    return *found;
}

/// Why a header is refused; `fail` adds the file.
class Header {
public:
    Header(std::filesystem::path const& file, std::span<std::byte const> bytes) : file_(file), bytes_(bytes) {
        constexpr std::string_view kZip{"PK\x03\x04"};
        if (bytes.size() >= kZip.size() && std::memcmp(bytes.data(), kZip.data(), kZip.size()) == 0)
            fail(
                "it is a ZIP archive, as torch.save and torch.jit.save write it; launch/convert makes "
                "weights of a checkpoint, and TorchScript is read by jobs that have "
                "model.allow_torchscript");
        if (bytes.size() < sizeof length_) fail("it has no 8-byte header length");
        std::memcpy(&length_, bytes.data(), sizeof length_);
        if (length_ > SafetensorsFile::kMaxHeaderBytes || length_ > bytes.size() - sizeof length_) {
            fail(fmt::format(
                "its header length says {} bytes, the file has {} after it (at most {} are taken)", length_,
                bytes.size() - sizeof length_, SafetensorsFile::kMaxHeaderBytes));
        }
        data_ = bytes.subspan(sizeof length_ + length_);
    }

    void read(std::vector<TensorView>& tensors, std::map<std::string, std::string>& metadata) {
        auto const* const first = reinterpret_cast<char const*>(bytes_.data()) + sizeof length_;
        std::set<std::string> seen;
        // A doubled key would hide a tensor: JSON parsers keep the last one silently.
        Json::parser_callback_t const refuse_doubled = [&](int depth, Json::parse_event_t event,
                                                           Json& parsed) {
            if (event == Json::parse_event_t::key && depth == 1) {
                auto const& key = parsed.get_ref<std::string const&>();
                if (!seen.insert(key).second) fail(fmt::format("its header has '{}' twice", key));
            }
            return true;
        };
        Json header;
        try {
            header = Json::parse(first, first + length_, refuse_doubled);
        } catch (Json::exception const& error) {
            fail(fmt::format("its header is no JSON ({})", error.what()));
        }
        if (!header.is_object()) fail("its header is no JSON object");
        for (auto const& [name, entry] : header.items()) {
            if (name == "__metadata__") {
                read_metadata(entry, metadata);
            } else {
                tensors.push_back(read_tensor(name, entry));
            }
        }
        std::sort(tensors.begin(), tensors.end(), [](TensorView const& a, TensorView const& b) {
            return a.bytes.data() != b.bytes.data() ? a.bytes.data() < b.bytes.data()
                                                    : a.bytes.size() < b.bytes.size();
        });
        std::uint64_t end = 0;
        for (auto const& tensor : tensors) {
            auto const begin = static_cast<std::uint64_t>(tensor.bytes.data() - data_.data());
            if (begin != end) {
                fail(fmt::format("tensor '{}' begins at byte {}, but the one before ends at {}: {}",
                                 tensor.name, begin, end, begin < end ? "they overlap" : "there is a gap"));
            }
            end = begin + tensor.bytes.size();
        }
        if (end != data_.size()) {
            fail(fmt::format("its tensors end at byte {}, its data at {}", end, data_.size()));
        }
    }

private:
    [[noreturn]] void fail(std::string const& why) const {
        fail_usage(fmt::format("{} is not a valid safetensors file: {}", file_.string(), why));
    }

    void read_metadata(Json const& entry, std::map<std::string, std::string>& metadata) const {
        if (!entry.is_object()) fail("__metadata__ is no JSON object");
        for (auto const& [key, value] : entry.items()) {
            if (!value.is_string()) fail(fmt::format("__metadata__.{} is no string", key));
            metadata.emplace(key, value.get<std::string>());
        }
    }

    std::optional<std::uint64_t> natural(Json const& value) const {
        if (!value.is_number_unsigned()) return std::nullopt;
        return value.get<std::uint64_t>();
    }

    [[noreturn]] void fail_tensor(std::string const& name, std::string const& why) const {
        fail(fmt::format("tensor '{}' {}", name, why));
    }

    TensorView read_tensor(std::string const& name, Json const& entry) const {
        if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") ||
            !entry.contains("data_offsets")) {
            fail_tensor(name, "has no dtype, shape and data_offsets");
        }
        auto const& dtype = entry["dtype"];
        auto const* const type =
            std::find_if(std::begin(kTypes), std::end(kTypes),
                         [&](TypeEntry const& known) { return dtype.is_string() && dtype == known.name; });
        if (type == std::end(kTypes))
            fail_tensor(name, fmt::format("has the unknown dtype {}", dtype.dump()));
        auto const& offsets = entry["data_offsets"];
        if (!offsets.is_array() || offsets.size() != 2) fail_tensor(name, "has no pair of data_offsets");
        auto const begin = natural(offsets[0]);
        auto const end = natural(offsets[1]);
        if (!begin || !end || *begin > *end || *end > data_.size()) {
            fail_tensor(name,
                        fmt::format("claims bytes {} of {} bytes of data", offsets.dump(), data_.size()));
        }
        auto const& shape = entry["shape"];
        if (!shape.is_array()) fail_tensor(name, "has no shape");
        TensorView view{name, type->type, {}, data_.subspan(*begin, *end - *begin)};
        std::uint64_t bytes = type->bytes;
        for (auto const& value : shape) {
            auto const extent = natural(value);
            constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
            if (!extent || *extent > kMost) fail_tensor(name, fmt::format("has the shape {}", shape.dump()));
            if (__builtin_mul_overflow(bytes, *extent, &bytes)) {
                fail_tensor(name, fmt::format("has the shape {}, more than memory can hold", shape.dump()));
            }
            view.shape.push_back(static_cast<std::int64_t>(*extent));
        }
        if (bytes != view.bytes.size()) {
            fail_tensor(name, fmt::format("has {} bytes, but {} {} needs {}", view.bytes.size(), type->name,
                                          shape.dump(), bytes));
        }
        return view;
    }

    std::filesystem::path const& file_;
    std::span<std::byte const> bytes_;
    std::span<std::byte const> data_;
    std::uint64_t length_ = 0;
};

void write_all(int descriptor, std::span<std::byte const> bytes, std::string const& file) {
    while (!bytes.empty()) {
        auto const written = ::write(descriptor, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) fail_errno("writing", file);
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
}

std::string header_of(std::span<TensorView const> tensors,
                      std::map<std::string, std::string> const& metadata) {
    Json header = Json::object();
    if (!metadata.empty()) header["__metadata__"] = metadata;
    std::uint64_t offset = 0;
    for (auto const& tensor : tensors) {
        std::uint64_t bytes = size_of(tensor.type);
        for (auto const extent : tensor.shape) bytes *= static_cast<std::uint64_t>(extent);
        ensure(bytes == tensor.bytes.size(), "shape and bytes of '" + tensor.name + "' disagree");
        ensure(tensor.name != "__metadata__" && !header.contains(tensor.name),
               "two tensors named '" + tensor.name + "'");
        header[tensor.name] = {{"dtype", name_of(tensor.type)},
                               {"shape", tensor.shape},
                               {"data_offsets", {offset, offset + bytes}}};
        offset += bytes;
    }
    auto text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
    text.append((8 - text.size() % 8) % 8, ' ');  // tensors start at a multiple of 8, as the format wishes
    return text;
}

}  // namespace

std::uint64_t size_of(ScalarType type) {
    return entry_of(type).bytes;
}

std::string_view name_of(ScalarType type) {
    return entry_of(type).name;
}

SafetensorsFile::SafetensorsFile(std::filesystem::path const& file) : mapping_(file), path_(file) {
    Header(path_, mapping_.bytes()).read(tensors_, metadata_);
}

TensorView const* SafetensorsFile::find(std::string_view name) const noexcept {
    auto const found = std::find_if(tensors_.begin(), tensors_.end(),
                                    [&](TensorView const& tensor) { return tensor.name == name; });
    return found == tensors_.end() ? nullptr : &*found;
}

TensorView const& SafetensorsFile::tensor(std::string_view name) const {
    auto const* const found = find(name);
    if (found != nullptr) return *found;
    std::vector<std::string> known;
    for (auto const& tensor : tensors_) known.push_back(tensor.name);
    fail_usage(fmt::format("{} has no tensor '{}'{}", path_.string(), name, text::did_you_mean(name, known)));
}

void write_safetensors(std::filesystem::path const& file, std::span<TensorView const> tensors,
                       std::map<std::string, std::string> const& metadata) {
    auto const header = header_of(tensors, metadata);
    std::uint64_t const length = header.size();
    replace_file(file, [&](int descriptor) {
        write_all(descriptor, std::as_bytes(std::span(&length, 1)), file.string());
        write_all(descriptor, std::as_bytes(std::span(header)), file.string());
        for (auto const& tensor : tensors) write_all(descriptor, tensor.bytes, file.string());
    });
}

std::string content_hash(std::span<TensorView const> tensors) {
    std::vector<TensorView const*> sorted;
    for (auto const& tensor : tensors) sorted.push_back(&tensor);
    std::sort(sorted.begin(), sorted.end(),
              [](TensorView const* a, TensorView const* b) { return a->name < b->name; });
    ContentHash hash;
    for (auto const* const tensor : sorted) {
        hash.add(tensor->name).add(name_of(tensor->type));
        hash.add(fmt::format("{}", fmt::join(tensor->shape, ",")));
        hash.add(tensor->bytes);
    }
    return hash.hex();
}

}  // namespace mpira::model
