#include "store/anndata_writer.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

namespace mpira::store::h5 {
namespace {

Space space_of(std::vector<std::uint64_t> const& shape) {
    if (shape.empty()) return Space(check(H5Screate(H5S_SCALAR), "H5Screate"));
    std::vector<hsize_t> const dims(shape.begin(), shape.end());
    return Space(
        check(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr), "H5Screate_simple"));
}

Properties without_times(hid_t class_id) {
    Properties plan(check(H5Pcreate(class_id), "H5Pcreate"));
    check(H5Pset_obj_track_times(plan.get(), false), "H5Pset_obj_track_times");
    return plan;
}

/// HDF5 refuses variable-length strings that are never filled.
Properties for_strings() {
    auto plan = without_times(H5P_DATASET_CREATE);
    check(H5Pset_layout(plan.get(), H5D_CONTIGUOUS), "H5Pset_layout");
    return plan;
}

void put(Dataset const& dataset, hid_t memory_type, void const* values, std::size_t count) {
    if (count == 0) return;
    // HDF5 zeroes its whole conversion buffer, 1 MiB, for a single string: half the time of a small creation.
    constexpr std::size_t kLargest = 1 << 20;
    std::size_t const least = 2 * std::max(H5Tget_size(memory_type), sizeof(hvl_t));
    Properties const transfer(check(H5Pcreate(H5P_DATASET_XFER), "H5Pcreate"));
    check(H5Pset_buffer(transfer.get(), std::min(kLargest, count * least), nullptr, nullptr),
          "H5Pset_buffer");
    check(H5Dwrite(dataset.get(), memory_type, H5S_ALL, H5S_ALL, transfer.get(), values), "H5Dwrite");
}

Dataset make_plain(hid_t file, std::string const& path, hid_t type, std::vector<std::uint64_t> const& shape,
                   Properties const& plan) {
    make_parents(file, path);
    auto const space = space_of(shape);
    return Dataset(
        check(H5Dcreate2(file, path.c_str(), type, space.get(), H5P_DEFAULT, plan.get(), H5P_DEFAULT), path));
}

template <typename T>
void write_codes(hid_t file, std::string const& path, Type type, std::vector<std::int32_t> const& codes) {
    std::vector<T> const narrow(codes.begin(), codes.end());
    auto const stored = Datatype(check(H5Tcopy(type == Type::u8 ? H5T_STD_I8LE : H5T_STD_I32LE), "H5Tcopy"));
    auto const dataset = make_plain(file, path, stored.get(), {codes.size()}, contiguous());
    write_encoding(dataset.get(), "array", "0.2.0");
    put(dataset, stored.get(), narrow.data(), narrow.size());
}

template <typename T>
std::vector<T> list_of(nlohmann::json const& list) {
    std::vector<T> values;
    values.reserve(list.size());
    for (auto const& value : list) values.push_back(value.get<T>());
    return values;
}

void write_list(hid_t file, std::string const& path, nlohmann::json const& list) {
    auto const all = [&](auto const& test) { return std::all_of(list.begin(), list.end(), test); };
    if (!list.empty() && all([](auto const& v) { return v.is_string(); }))
        return write_strings(file, path, list_of<std::string>(list));
    if (!list.empty() && all([](auto const& v) { return v.is_number_integer(); }))
        return write_integers(file, path, list_of<std::int64_t>(list));
    if (!list.empty() && all([](auto const& v) { return v.is_boolean(); })) {
        auto const values = list_of<bool>(list);
        std::vector<std::uint8_t> const bytes(values.begin(), values.end());
        auto const dataset = make_array(file, path, Type::boolean, {bytes.size()});
        put(dataset, stored_type(Type::boolean).get(), bytes.data(), bytes.size());
        return;
    }
    ensure(all([](auto const& v) { return v.is_number(); }),
           fmt::format("{}: a list must hold one kind of strings, numbers or booleans", path));
    auto const values = list_of<double>(list);
    auto const dataset = make_array(file, path, Type::f64, {values.size()});
    put(dataset, H5T_NATIVE_DOUBLE, values.data(), values.size());
}

}  // namespace

Properties contiguous() {
    auto plan = without_times(H5P_DATASET_CREATE);
    check(H5Pset_layout(plan.get(), H5D_CONTIGUOUS), "H5Pset_layout");
    check(H5Pset_alloc_time(plan.get(), H5D_ALLOC_TIME_EARLY), "H5Pset_alloc_time");
    check(H5Pset_fill_time(plan.get(), H5D_FILL_TIME_NEVER), "H5Pset_fill_time");
    return plan;
}

Properties compressed(std::vector<std::uint64_t> const& chunk, int level) {
    auto plan = without_times(H5P_DATASET_CREATE);
    std::vector<hsize_t> const dims(chunk.begin(), chunk.end());
    check(H5Pset_chunk(plan.get(), static_cast<int>(dims.size()), dims.data()), "H5Pset_chunk");
    check(H5Pset_shuffle(plan.get()), "H5Pset_shuffle");
    check(H5Pset_deflate(plan.get(), static_cast<unsigned>(level)), "H5Pset_deflate");
    return plan;
}

Group make_group(hid_t file, std::string const& path, char const* encoding, char const* version) {
    make_parents(file, path);
    auto const plan = without_times(H5P_GROUP_CREATE);
    Group group(check(H5Gcreate2(file, path.c_str(), H5P_DEFAULT, plan.get(), H5P_DEFAULT), path));
    write_encoding(group.get(), encoding, version);
    return group;
}

Group make_sparse_group(hid_t file, std::string const& path, std::uint64_t rows, std::uint64_t columns) {
    auto group = make_group(file, path, "csr_matrix", "0.1.0");
    auto const shape = space_of({2});
    Attribute const attribute(
        check(H5Acreate2(group.get(), "shape", H5T_STD_I64LE, shape.get(), H5P_DEFAULT, H5P_DEFAULT),
              "H5Acreate2"));
    std::uint64_t const values[] = {rows, columns};
    check(H5Awrite(attribute.get(), H5T_NATIVE_UINT64, values), "H5Awrite");
    return group;
}

void make_parents(hid_t file, std::string const& path) {
    auto const slash = path.rfind('/');
    if (slash == std::string::npos) return;
    std::string const parent = path.substr(0, slash);
    if (!exists(file, parent)) make_group(file, parent, "dict", "0.1.0");
}

Dataset make_array(hid_t file, std::string const& path, Type type, std::vector<std::uint64_t> const& shape,
                   Properties const& plan) {
    auto dataset = make_plain(file, path, stored_type(type).get(), shape, plan);
    write_encoding(dataset.get(), shape.empty() ? "numeric-scalar" : "array", "0.2.0");
    return dataset;
}

void write_strings(hid_t file, std::string const& path, std::vector<std::string> const& values) {
    auto const type = text_type();
    for (std::size_t i = 0; i < values.size(); ++i)
        if (!text::is_utf8(values[i]))
            fail_usage(
                fmt::format("name {} of {} is no text in UTF-8, as names in a result must be", i, path));
    auto const dataset = make_plain(file, path, type.get(), {values.size()}, for_strings());
    write_encoding(dataset.get(), "string-array", "0.2.0");
    std::vector<char const*> texts;
    texts.reserve(values.size());
    for (auto const& value : values) texts.push_back(value.c_str());
    put(dataset, type.get(), texts.data(), texts.size());
}

void write_categorical(hid_t file, std::string const& path, std::vector<std::string> const& values) {
    std::vector<std::string> categories = values;
    std::sort(categories.begin(), categories.end());
    categories.erase(std::unique(categories.begin(), categories.end()), categories.end());
    std::vector<std::int32_t> codes;
    codes.reserve(values.size());
    for (auto const& value : values) {
        auto const at = std::lower_bound(categories.begin(), categories.end(), value);
        codes.push_back(static_cast<std::int32_t>(at - categories.begin()));
    }
    auto const group = make_group(file, path, "categorical", "0.2.0");
    write_attribute(group.get(), "ordered", false);
    write_strings(file, path + "/categories", categories);
    constexpr std::size_t kMostBytes = std::numeric_limits<std::int8_t>::max();
    if (categories.size() <= kMostBytes) {
        write_codes<std::int8_t>(file, path + "/codes", Type::u8, codes);
    } else {
        write_codes<std::int32_t>(file, path + "/codes", Type::i32, codes);
    }
}

void write_integers(hid_t file, std::string const& path, std::vector<std::int64_t> const& values) {
    auto const dataset = make_array(file, path, Type::i64, {values.size()});
    put(dataset, H5T_NATIVE_INT64, values.data(), values.size());
}

void write_scalar(hid_t file, std::string const& path, std::string const& value) {
    auto const type = text_type();
    auto const dataset = make_plain(file, path, type.get(), {}, for_strings());
    write_encoding(dataset.get(), "string", "0.2.0");
    char const* const text = value.c_str();
    put(dataset, type.get(), &text, 1);
}

void write_scalar(hid_t file, std::string const& path, bool value) {
    auto const byte = static_cast<std::int8_t>(value ? 1 : 0);
    put(make_array(file, path, Type::boolean, {}), stored_type(Type::boolean).get(), &byte, 1);
}

void write_scalar(hid_t file, std::string const& path, std::int64_t value) {
    put(make_array(file, path, Type::i64, {}), H5T_NATIVE_INT64, &value, 1);
}

void write_scalar(hid_t file, std::string const& path, double value) {
    put(make_array(file, path, Type::f64, {}), H5T_NATIVE_DOUBLE, &value, 1);
}

void write_json(hid_t file, std::string const& path, nlohmann::json const& value) {
    switch (value.type()) {
        case nlohmann::json::value_t::object:
            if (!exists(file, path)) make_group(file, path, "dict", "0.1.0");
            for (auto const& [key, member] : value.items()) {
                ensure(!key.empty() && key != "." && key.find('/') == std::string::npos,
                       fmt::format("{}: a key '{}' can't be stored", path, key));
                write_json(file, fmt::format("{}/{}", path, key), member);
            }
            return;
        case nlohmann::json::value_t::array:
            return write_list(file, path, value);
        case nlohmann::json::value_t::string:
            return write_scalar(file, path, value.get<std::string>());
        case nlohmann::json::value_t::boolean:
            return write_scalar(file, path, value.get<bool>());
        case nlohmann::json::value_t::number_integer:
        case nlohmann::json::value_t::number_unsigned:
            return write_scalar(file, path, value.get<std::int64_t>());
        case nlohmann::json::value_t::number_float:
            return write_scalar(file, path, value.get<double>());
        case nlohmann::json::value_t::null:
            return;
        case nlohmann::json::value_t::binary:
        case nlohmann::json::value_t::discarded:
            break;
    }
    throw Error(Origin::internal, path + ": a value that can't be stored");
}

void write_frame(hid_t file, std::string const& path, Frame const& frame,
                 std::vector<std::string> const& more) {
    auto const group = make_group(file, path, "dataframe", "0.2.0");
    std::vector<std::string> order;
    for (auto const& column : frame.strings) order.push_back(column.name);
    for (auto const& column : frame.integers) order.push_back(column.name);
    order.insert(order.end(), more.begin(), more.end());
    write_attribute(group.get(), "_index", frame.index_name);
    write_attribute(group.get(), "column-order", order);
    write_strings(file, fmt::format("{}/{}", path, frame.index_name), frame.index);
    for (auto const& column : frame.strings) {
        auto const at = fmt::format("{}/{}", path, column.name);
        if (column.categorical) {
            write_categorical(file, at, column.values);
        } else {
            write_strings(file, at, column.values);
        }
    }
    for (auto const& column : frame.integers)
        write_integers(file, fmt::format("{}/{}", path, column.name), column.values);
}

}  // namespace mpira::store::h5
