#include "mpira/store/anndata_reader.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "store/hdf5.hpp"

namespace mpira::store {
namespace {

constexpr std::uint64_t kLargestJsonArray = 65536;
constexpr int kDeepestJson = 32;
/// No HDF5 filter of ours or anndata's packs tighter: deflate's bound is 1032 : 1.
constexpr std::uint64_t kTightestPacking = 1100;

/// The type we give to a stored one, and whether it is exactly that.
struct Found {
    Type type;
    bool exact;
};

hid_t native(Type type) {
    switch (type) {
        case Type::u8:
            return H5T_NATIVE_UINT8;
        case Type::i32:
            return H5T_NATIVE_INT32;
        case Type::i64:
            return H5T_NATIVE_INT64;
        case Type::f32:
            return H5T_NATIVE_FLOAT;
        case Type::f64:
            return H5T_NATIVE_DOUBLE;
        case Type::boolean:
        case Type::f16:
            break;
    }
    throw Error(Origin::internal, "a type without a native one");
}

std::optional<Found> find_type(hid_t stored) {
    auto const with_exactness = [&](Type type) {
        return Found{type, H5Tequal(stored, h5::stored_type(type).get()) > 0};
    };
    std::size_t const size = H5Tget_size(stored);
    switch (H5Tget_class(stored)) {
        case H5T_ENUM:
            if (size != 1) return std::nullopt;
            return Found{Type::boolean, true};
        case H5T_INTEGER: {
            bool const is_signed = H5Tget_sign(stored) == H5T_SGN_2;
            if (size == 1 && !is_signed) return with_exactness(Type::u8);
            if (size < 4 || (size == 4 && is_signed)) return with_exactness(Type::i32);
            if (size <= 8) return with_exactness(Type::i64);
            return std::nullopt;
        }
        case H5T_FLOAT:
            if (size == 2) return with_exactness(Type::f16);
            if (size == 4) return with_exactness(Type::f32);
            if (size == 8) return with_exactness(Type::f64);
            return std::nullopt;
        default:
            return std::nullopt;
    }
}

std::string_view name_of(Type type) {
    switch (type) {
        case Type::boolean:
            return "boolean";
        case Type::u8:
            return "uint8";
        case Type::i32:
            return "int32";
        case Type::i64:
            return "int64";
        case Type::f16:
            return "float16";
        case Type::f32:
            return "float32";
        case Type::f64:
            return "float64";
    }
    return "?";
}

template <typename T>
constexpr Type type_of() {
    if constexpr (std::same_as<T, float>) return Type::f32;
    if constexpr (std::same_as<T, double>) return Type::f64;
    if constexpr (std::same_as<T, std::int32_t>) return Type::i32;
    if constexpr (std::same_as<T, std::int64_t>) return Type::i64;
    if constexpr (std::same_as<T, std::uint8_t>) return Type::u8;
    if constexpr (std::same_as<T, Half>) return Type::f16;
}

bool is_float(Type type) {
    return type == Type::f16 || type == Type::f32 || type == Type::f64;
}

/// A stored value of type `from` fits into `to` without loss (floats: any float, as numpy's astype).
bool fits(Type from, Type to) {
    if (is_float(from) || is_float(to)) return is_float(from) && is_float(to);
    if (from == Type::boolean) return to == Type::u8;
    return size_of(from) <= size_of(to) && !(from == Type::u8 && to == Type::boolean);
}

/// The JSON of a flat array in its shape.
template <typename T>
nlohmann::json nested(std::span<T const> values, std::span<std::uint64_t const> shape) {
    auto list = nlohmann::json::array();
    if (shape.size() <= 1) {
        for (T const value : values) list.push_back(value);
        return list;
    }
    std::uint64_t const width = shape[0] == 0 ? 0 : values.size() / shape[0];
    for (std::uint64_t i = 0; i < shape[0]; ++i)
        list.push_back(nested<T>(values.subspan(i * width, width), shape.subspan(1)));
    return list;
}

}  // namespace

std::uint64_t ArrayInfo::size() const {
    return std::accumulate(shape.begin(), shape.end(), std::uint64_t{1}, std::multiplies<>());
}

struct AnnDataReader::State {
    std::filesystem::path path;
    std::uint64_t file_bytes = 0;
    h5::File file;
    std::shared_ptr<MappedFile> mapping;  ///< made when first asked for

    [[noreturn]] void refuse(std::string_view object, std::string_view what) const {
        fail_usage(fmt::format("{}: {}: {}", path.string(), object, what));
    }
    /// Runs HDF5 code about one object: what HDF5 says about a broken file is the file's fault.
    template <typename Body>
    auto about(std::string_view object, Body const& body) const {
        try {
            return body();
        } catch (Error const& error) {
            if (error.origin() != Origin::hdf5) throw;
            refuse(object, fmt::format("can't be read ({})", error.what()));
        }
    }

    [[nodiscard]] h5::Object open(std::string_view object) const {
        if (!h5::exists(file.get(), object)) refuse(object, "is not in the file");
        return h5::Object(
            h5::check(H5Oopen(file.get(), std::string(object).c_str(), H5P_DEFAULT), "opening"));
    }
    [[nodiscard]] bool is_group(std::string_view object) const {
        return about(object, [&] { return H5Iget_type(open(object).get()) == H5I_GROUP; });
    }
    [[nodiscard]] std::string encoding(std::string_view object) const {
        return about(object, [&] { return h5::text_attribute(open(object).get(), "encoding-type"); });
    }
    [[nodiscard]] h5::Object open_dataset(std::string_view object) const {
        auto opened = open(object);
        if (H5Iget_type(opened.get()) == H5I_DATASET) return opened;
        std::string const kind = h5::text_attribute(opened.get(), "encoding-type");
        refuse(object,
               fmt::format("is {}, not a dense array", kind.empty() ? std::string("a group") : "a " + kind));
    }

    [[nodiscard]] std::shared_ptr<MappedFile> map() {
        if (mapping == nullptr) mapping = std::make_shared<MappedFile>(path);
        return mapping;
    }

    /// Refuses a shape that the bytes in the file can't fill, before anything is allocated for it.
    void require_plausible(std::string_view object, hid_t dataset, std::span<std::uint64_t const> shape,
                           std::uint64_t element_bytes) const {
        std::uint64_t bytes = element_bytes;
        for (std::uint64_t const extent : shape) {
            if (extent == 0) return;
            if (bytes > std::numeric_limits<std::uint64_t>::max() / extent) bytes = 0;
            if (bytes == 0) break;
            bytes *= extent;
        }
        std::uint64_t const stored = std::min<std::uint64_t>(H5Dget_storage_size(dataset), file_bytes);
        if (bytes == 0 || bytes / kTightestPacking > stored + 4096)
            refuse(object, fmt::format("claims more values than {} bytes of file can hold", file_bytes));
    }

    [[nodiscard]] ArrayInfo info(std::string_view object) const {
        return about(object, [&] {
            auto const dataset = open_dataset(object);
            return info_of(object, dataset.get());
        });
    }
    [[nodiscard]] ArrayInfo info_of(std::string_view object, hid_t dataset) const {
        h5::Datatype const stored(h5::check(H5Dget_type(dataset), "H5Dget_type"));
        auto const found = find_type(stored.get());
        if (!found) refuse(object, "is not an array of numbers");
        ArrayInfo info{found->type, h5::shape_of(dataset), std::nullopt};
        require_plausible(object, dataset, info.shape, H5Tget_size(stored.get()));
        h5::Properties const plan(h5::check(H5Dget_create_plist(dataset), "H5Dget_create_plist"));
        if (!found->exact || H5Pget_layout(plan.get()) != H5D_CONTIGUOUS ||
            H5Pget_external_count(plan.get()) != 0)
            return info;
        haddr_t const offset = H5Dget_offset(dataset);
        if (offset == HADDR_UNDEF) {
            H5Eclear2(H5E_DEFAULT);
            return info;
        }
        std::uint64_t const bytes = info.size() * size_of(info.type);
        if (offset > file_bytes || bytes > file_bytes - offset)
            refuse(object, "reaches beyond the end of the file: it was cut off");
        info.offset = offset;
        return info;
    }

    /// All values of a dataset, converted by HDF5 to `memory_type`.
    template <typename T>
    [[nodiscard]] std::vector<T> read(std::string_view object, hid_t dataset, hid_t memory_type,
                                      std::span<std::uint64_t const> shape) const {
        require_plausible(object, dataset, shape, sizeof(T));
        std::vector<T> values(
            std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>()));
        if (!values.empty()) {
            h5::check(H5Dread(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), "H5Dread");
        }
        return values;
    }

    [[nodiscard]] std::vector<std::string> string_array(std::string_view object) const {
        auto const opened = open_dataset(object);
        hid_t const dataset = opened.get();
        h5::Datatype const stored(h5::check(H5Dget_type(dataset), "H5Dget_type"));
        if (H5Tget_class(stored.get()) != H5T_STRING) refuse(object, "is not an array of strings");
        auto const shape = h5::shape_of(dataset);
        std::size_t const width = H5Tget_size(stored.get());
        require_plausible(object, dataset, shape, width);
        std::size_t const count =
            std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
        std::vector<std::string> strings;
        if (count == 0) return strings;
        strings.reserve(count);
        if (h5::check(H5Tis_variable_str(stored.get()), "H5Tis_variable_str") > 0) {
            h5::Space const space(h5::check(H5Dget_space(dataset), "H5Dget_space"));
            std::vector<char*> values(count, nullptr);
            auto const read = H5Dread(dataset, stored.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
            if (read >= 0)
                for (char const* value : values) strings.emplace_back(value != nullptr ? value : "");
            std::string const errors = read < 0 ? h5::take_errors() : std::string();
            H5Dvlen_reclaim(stored.get(), space.get(), H5P_DEFAULT, values.data());
            if (read < 0) refuse(object, fmt::format("can't be read ({})", errors));
            return strings;
        }
        std::vector<char> buffer(width * count);
        h5::check(H5Dread(dataset, stored.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer.data()), "H5Dread");
        for (std::size_t i = 0; i < count; ++i) {
            std::string_view const value(buffer.data() + i * width, width);
            strings.emplace_back(value.substr(0, value.find('\0')));
        }
        return strings;
    }

    template <typename T>
    [[nodiscard]] std::vector<T> as(std::string_view object, hid_t memory_type, bool floats_too) const {
        return about(object, [&] {
            auto const dataset = open_dataset(object);
            auto const info = info_of(object, dataset.get());
            if (!floats_too && is_float(info.type))
                refuse(object, fmt::format("is {}, not integers", name_of(info.type)));
            if (info.type == Type::boolean) {
                h5::Datatype const stored(h5::check(H5Dget_type(dataset.get()), "H5Dget_type"));
                auto const bytes = read<std::uint8_t>(object, dataset.get(), stored.get(), info.shape);
                return std::vector<T>(bytes.begin(), bytes.end());
            }
            return read<T>(object, dataset.get(), memory_type, info.shape);
        });
    }

    [[nodiscard]] nlohmann::json json(std::string_view object, int depth) const;
};

AnnDataReader::AnnDataReader(std::filesystem::path const& file) : state_(std::make_unique<State>()) {
    state_->path = file;
    state_->file = h5::open_to_read(file);
    state_->file_bytes = std::filesystem::file_size(file);
}
AnnDataReader::AnnDataReader(AnnDataReader&& other) noexcept = default;
AnnDataReader& AnnDataReader::operator=(AnnDataReader&& other) noexcept = default;
AnnDataReader::~AnnDataReader() = default;

std::filesystem::path const& AnnDataReader::file() const noexcept {
    return state_->path;
}

bool AnnDataReader::contains(std::string_view path) const {
    return h5::exists(state_->file.get(), path);
}

std::vector<std::string> AnnDataReader::keys(std::string_view group) const {
    if (!group.empty() && (!contains(group) || !state_->is_group(group))) return {};
    return state_->about(group, [&] {
        h5::Group const opened(h5::check(
            H5Gopen2(state_->file.get(), group.empty() ? "/" : std::string(group).c_str(), H5P_DEFAULT),
            "opening"));
        std::vector<std::string> names;
        auto const collect = [](hid_t, char const* name, H5L_info_t const* link, void* into) -> herr_t {
            if (link->type == H5L_TYPE_HARD) static_cast<std::vector<std::string>*>(into)->emplace_back(name);
            return 0;
        };
        h5::check(H5Literate(opened.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, collect, &names), "listing");
        return names;
    });
}

std::string AnnDataReader::encoding(std::string_view path) const {
    return state_->encoding(path);
}

std::vector<std::string> AnnDataReader::index(std::string_view frame) const {
    std::string const name =
        state_->about(frame, [&] { return h5::text_attribute(state_->open(frame).get(), "_index"); });
    if (name.empty()) state_->refuse(frame, "is not a data frame: it has no attribute _index");
    std::string const path = fmt::format("{}/{}", frame, name);
    if (state_->is_group(path)) return strings(path);
    bool const textual = state_->about(path, [&] {
        auto const dataset = state_->open_dataset(path);
        h5::Datatype const stored(h5::check(H5Dget_type(dataset.get()), "H5Dget_type"));
        return H5Tget_class(stored.get()) == H5T_STRING;
    });
    if (textual) return strings(path);
    std::vector<std::string> names;
    for (std::int64_t const number : integers(path)) names.push_back(std::to_string(number));
    return names;
}

std::vector<std::string> AnnDataReader::columns(std::string_view frame) const {
    return state_->about(frame, [&] {
        auto const opened = state_->open(frame);
        if (h5::text_attribute(opened.get(), "_index").empty())
            state_->refuse(frame, "is not a data frame: it has no attribute _index");
        return h5::texts_attribute(opened.get(), "column-order");
    });
}

std::uint64_t AnnDataReader::rows() const {
    return index("obs").size();
}
std::uint64_t AnnDataReader::variables() const {
    return index("var").size();
}

std::vector<std::string> AnnDataReader::strings(std::string_view path) const {
    std::string const kind = state_->encoding(path);
    if (kind == "categorical") {
        auto const found = categories(path);
        std::vector<std::string> all;
        all.reserve(found.codes.size());
        for (std::int32_t const code : found.codes)
            all.push_back(code < 0 ? std::string() : found.categories[static_cast<std::size_t>(code)]);
        return all;
    }
    if (kind == "nullable-string-array") {
        auto all = strings(fmt::format("{}/values", path));
        auto const missing = integers(fmt::format("{}/mask", path));
        if (missing.size() != all.size()) state_->refuse(path, "has a mask of another length");
        for (std::size_t i = 0; i < all.size(); ++i)
            if (missing[i] != 0) all[i].clear();
        return all;
    }
    return state_->about(path, [&] { return state_->string_array(path); });
}

Categories AnnDataReader::categories(std::string_view path) const {
    Categories found;
    if (state_->encoding(path) != "categorical") {
        std::vector<std::string> const all = strings(path);
        found.categories = all;
        std::sort(found.categories.begin(), found.categories.end());
        found.categories.erase(std::unique(found.categories.begin(), found.categories.end()),
                               found.categories.end());
        for (auto const& value : all) {
            auto const at = std::lower_bound(found.categories.begin(), found.categories.end(), value);
            found.codes.push_back(static_cast<std::int32_t>(at - found.categories.begin()));
        }
        return found;
    }
    found.categories = strings(fmt::format("{}/categories", path));
    auto const codes = integers(fmt::format("{}/codes", path));
    found.codes.reserve(codes.size());
    for (std::int64_t const code : codes) {
        if (code < -1 || code >= static_cast<std::int64_t>(found.categories.size()))
            state_->refuse(path,
                           fmt::format("has a code {} for {} categories", code, found.categories.size()));
        found.codes.push_back(static_cast<std::int32_t>(code));
    }
    return found;
}

std::vector<std::int64_t> AnnDataReader::integers(std::string_view path) const {
    return state_->as<std::int64_t>(path, H5T_NATIVE_INT64, false);
}
std::vector<double> AnnDataReader::numbers(std::string_view path) const {
    return state_->as<double>(path, H5T_NATIVE_DOUBLE, true);
}

ArrayInfo AnnDataReader::info(std::string_view path) const {
    return state_->info(path);
}

template <ArrayElement T>
MappedArray<T> AnnDataReader::array(std::string_view path) const {
    return state_->about(path, [&] {
        constexpr Type kWanted = type_of<T>();
        auto const opened = state_->open_dataset(path);
        ArrayInfo const info = state_->info_of(path, opened.get());
        if (!fits(info.type, kWanted))
            state_->refuse(path, fmt::format("is {}, expected {}", name_of(info.type), name_of(kWanted)));
        bool const as_it_is = info.type == kWanted || (info.type == Type::boolean && kWanted == Type::u8);
        if (as_it_is && info.offset && *info.offset % alignof(T) == 0 && info.size() > 0) {
            auto mapping = state_->map();
            auto const bytes = mapping->bytes().subspan(*info.offset, info.size() * sizeof(T));
            // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): aligned, and of that type on disk
            auto const* first = reinterpret_cast<T const*>(bytes.data());
            return MappedArray<T>(std::move(mapping), {first, info.size()}, info.shape, true);
        }
        h5::Datatype memory;
        if (as_it_is && kWanted == Type::u8) {
            memory = h5::Datatype(h5::check(H5Dget_type(opened.get()), "H5Dget_type"));
        } else if (kWanted == Type::f16) {
            memory = h5::stored_type(Type::f16);
        } else {
            memory = h5::Datatype(h5::check(H5Tcopy(native(kWanted)), "H5Tcopy"));
        }
        auto values = std::make_shared<std::vector<T>>(
            state_->template read<T>(path, opened.get(), memory.get(), info.shape));
        std::span<T const> const view(*values);
        return MappedArray<T>(std::move(values), view, info.shape, false);
    });
}
template MappedArray<float> AnnDataReader::array<float>(std::string_view) const;
template MappedArray<double> AnnDataReader::array<double>(std::string_view) const;
template MappedArray<std::int32_t> AnnDataReader::array<std::int32_t>(std::string_view) const;
template MappedArray<std::int64_t> AnnDataReader::array<std::int64_t>(std::string_view) const;
template MappedArray<std::uint8_t> AnnDataReader::array<std::uint8_t>(std::string_view) const;
template MappedArray<Half> AnnDataReader::array<Half>(std::string_view) const;

std::string AnnDataReader::text(std::string_view path) const {
    auto const all = strings(path);
    if (all.size() != 1) state_->refuse(path, fmt::format("holds {} strings, expected one", all.size()));
    return all.front();
}

double AnnDataReader::number(std::string_view path) const {
    auto const all = numbers(path);
    if (all.size() != 1) state_->refuse(path, fmt::format("holds {} numbers, expected one", all.size()));
    return all.front();
}

nlohmann::json AnnDataReader::json(std::string_view path) const {
    return state_->about(path, [&] { return state_->json(path, 0); });
}

nlohmann::json AnnDataReader::State::json(std::string_view object, int depth) const {
    if (depth > kDeepestJson) refuse(object, "is nested too deeply");
    auto const opened = open(object);
    std::string const kind = h5::text_attribute(opened.get(), "encoding-type");
    if (H5Iget_type(opened.get()) == H5I_GROUP) {
        if (!kind.empty() && kind != "dict") return nullptr;
        auto result = nlohmann::json::object();
        std::vector<std::string> names;
        auto const collect = [](hid_t, char const* name, H5L_info_t const* link, void* into) -> herr_t {
            if (link->type == H5L_TYPE_HARD) static_cast<std::vector<std::string>*>(into)->emplace_back(name);
            return 0;
        };
        h5::check(H5Literate(opened.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, collect, &names), "listing");
        for (auto const& name : names) result[name] = json(fmt::format("{}/{}", object, name), depth + 1);
        return result;
    }
    if (H5Iget_type(opened.get()) != H5I_DATASET) return nullptr;
    auto const shape = h5::shape_of(opened.get());
    std::uint64_t const size =
        std::accumulate(shape.begin(), shape.end(), std::uint64_t{1}, std::multiplies<>());
    if (size > kLargestJsonArray) return nullptr;
    h5::Datatype const stored(h5::check(H5Dget_type(opened.get()), "H5Dget_type"));
    if (H5Tget_class(stored.get()) == H5T_STRING) {
        auto const strings = string_array(object);
        return shape.empty() ? nlohmann::json(strings.front()) : nlohmann::json(strings);
    }
    auto const found = find_type(stored.get());
    if (!found || kind == "null") return nullptr;
    if (found->type == Type::boolean) {
        auto const bytes = as<std::int64_t>(object, H5T_NATIVE_INT64, false);
        if (shape.empty()) return bytes.front() != 0;
        auto list = nlohmann::json::array();
        for (auto const byte : bytes) list.push_back(byte != 0);
        return list;
    }
    if (is_float(found->type)) {
        auto const values = as<double>(object, H5T_NATIVE_DOUBLE, true);
        return shape.empty() ? nlohmann::json(values.front()) : nested<double>(values, shape);
    }
    auto const values = as<std::int64_t>(object, H5T_NATIVE_INT64, false);
    return shape.empty() ? nlohmann::json(values.front()) : nested<std::int64_t>(values, shape);
}

}  // namespace mpira::store
