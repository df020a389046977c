#include "mpira/store/anndata_reader.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/error.hpp"

#include "store/dataset_reader.hpp"
#include "store/hdf5.hpp"

namespace mpira::store {
namespace {

constexpr std::uint64_t kLargestJsonArray = 65536;
constexpr int kDeepestJson = 32;

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
        case Type::bf16:
            break;
    }
    throw Error(Origin::internal, "a type without a native one");
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

struct AnnDataReader::State : DatasetReader {
    using DatasetReader::DatasetReader;
    /// What a column of a data frame holds, as text: of numbers only on request. "" where a value is missing.
    [[nodiscard]] std::vector<std::string> words(std::string_view path, bool numbers_too) const;
    /// The same of one dataset.
    [[nodiscard]] std::vector<std::string> plain_words(std::string_view path, bool numbers_too) const;
    [[nodiscard]] std::vector<std::int64_t> integers(std::string_view path) const {
        return as<std::int64_t>(path, H5T_NATIVE_INT64, false);
    }
    [[nodiscard]] Categories categories(std::string_view path, bool numbers_too) const;
    [[nodiscard]] nlohmann::json json(std::string_view object, int depth) const;
};

AnnDataReader::AnnDataReader(std::filesystem::path const& file) : state_(std::make_unique<State>(file)) {}
AnnDataReader::AnnDataReader(AnnDataReader&& other) noexcept = default;
AnnDataReader& AnnDataReader::operator=(AnnDataReader&& other) noexcept = default;
AnnDataReader::~AnnDataReader() = default;

std::filesystem::path const& AnnDataReader::file() const noexcept {
    return state_->path();
}

bool AnnDataReader::contains(std::string_view path) const {
    return state_->contains(path);
}

std::vector<std::string> AnnDataReader::keys(std::string_view group) const {
    if (!group.empty() && (!contains(group) || !state_->is_group(group))) return {};
    return state_->about(group, [&] { return state_->members(group); });
}

std::string AnnDataReader::encoding(std::string_view path) const {
    return state_->encoding(path);
}

std::string AnnDataReader::index_name(std::string_view frame) const {
    std::string name =
        state_->about(frame, [&] { return h5::text_attribute(state_->open(frame).get(), "_index"); });
    if (name.empty()) state_->refuse(frame, "is not a data frame: it has no attribute _index");
    return name;
}

std::vector<std::string> AnnDataReader::index(std::string_view frame) const {
    std::string const name = index_name(frame);
    return labels(fmt::format("{}/{}", frame, name));
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

std::vector<std::string> AnnDataReader::State::plain_words(std::string_view path, bool numbers_too) const {
    return about(path, [&] {
        auto const dataset = open_dataset(path);
        h5::Datatype const stored(h5::check(H5Dget_type(dataset.get()), "H5Dget_type"));
        if (!numbers_too || H5Tget_class(stored.get()) == H5T_STRING) return string_array(path);
        auto const type = info_of(path, dataset.get()).type;
        if (is_float(type))
            refuse(path,
                   fmt::format("is {}: names, whole numbers or True and False were expected (in Python: "
                               "column.astype(str))",
                               numpy_name(type)));
        std::vector<std::string> words;
        for (std::int64_t const number : integers(path))
            words.push_back(type != Type::boolean ? std::to_string(number) : number != 0 ? "True" : "False");
        return words;
    });
}

std::vector<std::string> AnnDataReader::State::words(std::string_view path, bool numbers_too) const {
    std::string const kind = encoding(path);
    if (kind == "categorical") {
        auto const found = categories(path, numbers_too);
        std::vector<std::string> all;
        all.reserve(found.codes.size());
        for (std::int32_t const code : found.codes)
            all.push_back(code < 0 ? std::string() : found.categories[static_cast<std::size_t>(code)]);
        return all;
    }
    if (kind == "nullable-string-array" || (numbers_too && kind.starts_with("nullable-"))) {
        auto all = plain_words(fmt::format("{}/values", path), numbers_too);
        auto const missing = integers(fmt::format("{}/mask", path));
        if (missing.size() != all.size()) refuse(path, "has a mask of another length");
        for (std::size_t i = 0; i < all.size(); ++i)
            if (missing[i] != 0) all[i].clear();
        return all;
    }
    return plain_words(path, numbers_too);
}

std::vector<std::string> AnnDataReader::strings(std::string_view path) const {
    return state_->words(path, false);
}

std::vector<std::string> AnnDataReader::labels(std::string_view path) const {
    return state_->words(path, true);
}

Categories AnnDataReader::categories(std::string_view path) const {
    return state_->categories(path, false);
}

Categories AnnDataReader::State::categories(std::string_view path, bool numbers_too) const {
    Categories found;
    if (encoding(path) != "categorical") {
        std::vector<std::string> const all = words(path, numbers_too);
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
    auto const names = fmt::format("{}/categories", path);
    if (encoding(names) == "categorical") refuse(names, "is a categorical itself");
    found.categories = words(names, numbers_too);
    auto const codes = integers(fmt::format("{}/codes", path));
    found.codes.reserve(codes.size());
    for (std::int64_t const code : codes) {
        if (code < -1 || code >= static_cast<std::int64_t>(found.categories.size()))
            refuse(path, fmt::format("has a code {} for {} categories", code, found.categories.size()));
        found.codes.push_back(static_cast<std::int32_t>(code));
    }
    return found;
}

std::vector<std::int64_t> AnnDataReader::integers(std::string_view path) const {
    return state_->integers(path);
}
std::vector<double> AnnDataReader::numbers(std::string_view path) const {
    return state_->as<double>(path, H5T_NATIVE_DOUBLE, true);
}

std::vector<std::int64_t> AnnDataReader::integers(std::string_view path, std::uint64_t first,
                                                  std::uint64_t count) const {
    return state_->rows_as<std::int64_t>(path, H5T_NATIVE_INT64, first, count);
}
std::vector<double> AnnDataReader::numbers(std::string_view path, std::uint64_t first,
                                           std::uint64_t count) const {
    return state_->rows_as<double>(path, H5T_NATIVE_DOUBLE, first, count);
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
            state_->refuse(path,
                           fmt::format("is {}, expected {}", numpy_name(info.type), numpy_name(kWanted)));
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
        for (auto const& name : members(object))
            result[name] = json(fmt::format("{}/{}", object, name), depth + 1);
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
