#include "store/result_map.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <numeric>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/store/journal.hpp"
#include "mpira/store/owner.hpp"

namespace mpira::store {
namespace {

constexpr std::array<std::pair<Type, std::string_view>, 8> kTypeNames{{{Type::boolean, "boolean"},
                                                                       {Type::u8, "u8"},
                                                                       {Type::i32, "i32"},
                                                                       {Type::i64, "i64"},
                                                                       {Type::f16, "f16"},
                                                                       {Type::bf16, "bf16"},
                                                                       {Type::f32, "f32"},
                                                                       {Type::f64, "f64"}}};

std::string name_of(Type type) {
    for (auto const& [known, name] : kTypeNames)
        if (known == type) return std::string(name);
    return "?";
}

Type type_named(std::string const& wanted) {
    for (auto const& [type, name] : kTypeNames)
        if (name == wanted) return type;
    throw std::out_of_range("no type " + wanted);
}

ResultLayout layout_from_json(nlohmann::json const& json, std::vector<bool>& fixed_is_filled) {
    ResultLayout layout;
    layout.job = json.at("job").get<std::string>();
    layout.rows = json.at("rows").get<std::uint64_t>();
    layout.rows_per_unit = json.at("rows_per_unit").get<std::uint64_t>();
    if (layout.rows == 0 || layout.rows_per_unit == 0) throw std::out_of_range("no rows");
    for (auto const& array : json.at("row_arrays"))
        layout.row_arrays.push_back(
            {array.at("path").get<std::string>(), type_named(array.at("type").get<std::string>()),
             array.at("row_shape").get<std::vector<std::uint64_t>>(), array.value("flat", false)});
    for (auto const& matrix : json.value("sparse", nlohmann::json::array()))
        layout.sparse.push_back(
            {matrix.at("path").get<std::string>(), matrix.at("columns").get<std::uint64_t>()});
    for (auto const& array : json.at("fixed_arrays")) {
        layout.fixed_arrays.push_back({array.at("path").get<std::string>(),
                                       type_named(array.at("type").get<std::string>()),
                                       array.at("shape").get<std::vector<std::uint64_t>>(),
                                       {}});
        fixed_is_filled.push_back(array.at("filled").get<bool>());
    }
    return layout;
}

/// The dataset is what the layout says; its offset (0 in a sealed file).
std::uint64_t locate(AnnDataReader const& reader, std::string const& path, Type type,
                     std::vector<std::uint64_t> const& shape, bool sealed) {
    auto const info = reader.info(path);
    require(info.type == type && info.shape == shape,
            fmt::format("{}: {}: shape or type is not what the file's own layout says; it is damaged",
                        reader.file().string(), path));
    if (sealed) return 0;
    require(info.offset.has_value(),
            fmt::format("{}: {}: is not stored as one piece; was the file rewritten by another program?",
                        reader.file().string(), path));
    return *info.offset;
}

}  // namespace

nlohmann::json layout_to_json(ResultLayout const& layout) {
    nlohmann::json json{{"job", layout.job}, {"rows", layout.rows}, {"rows_per_unit", layout.rows_per_unit}};
    json["row_arrays"] = nlohmann::json::array();
    for (auto const& array : layout.row_arrays) {
        json["row_arrays"].push_back(
            {{"path", array.path}, {"type", name_of(array.type)}, {"row_shape", array.row_shape}});
        if (array.flat) json["row_arrays"].back()["flat"] = true;
    }
    for (auto const& matrix : layout.sparse)
        json["sparse"].push_back({{"path", matrix.path}, {"columns", matrix.columns}});
    json["fixed_arrays"] = nlohmann::json::array();
    for (auto const& array : layout.fixed_arrays)
        json["fixed_arrays"].push_back({{"path", array.path},
                                        {"type", name_of(array.type)},
                                        {"shape", array.shape},
                                        {"filled", !array.values.empty()}});
    return json;
}

ResultMap read_result_map(AnnDataReader const& reader) {
    std::string const file = reader.file().string();
    require(reader.contains(kLayout) && reader.contains(kFormat),
            fmt::format("{} is no result file of mpira (it has no {})", file, kMeta));
    double const format = reader.number(kFormat);
    require(format == kFormatVersion, fmt::format("{} has format version {}, this mpira reads version {}",
                                                  file, format, kFormatVersion));
    ResultMap map;
    try {
        map.layout = layout_from_json(nlohmann::json::parse(reader.text(kLayout)), map.fixed_is_filled);
        map.layout.identity = nlohmann::json::parse(reader.text(kIdentity));
    } catch (Error const&) {
        throw;
    } catch (std::exception const& error) {  // nlohmann's, or a value out of range
        fail_usage(fmt::format("{}: {}: is damaged ({})", file, kMeta, error.what()));
    }
    map.version = reader.text(kVersion);
    map.finished = reader.number(kFinished) != 0;
    map.sealed = reader.contains(kSealed);

    auto const& layout = map.layout;
    for (auto const& array : layout.row_arrays) {
        map.row_offsets.push_back(
            locate(reader, array.path, array.type, array.shape(layout.rows), map.sealed));
    }
    for (auto const& array : layout.fixed_arrays)
        map.fixed_offsets.push_back(locate(reader, array.path, array.type, array.shape, map.sealed));
    map.done_offset = locate(reader, kDone, Type::boolean, {layout.rows}, map.sealed);
    map.journal_offset = locate(reader, kJournal, Type::u8, {layout.units(), kJournalRowBytes}, map.sealed);
    if (reader.contains(kErrors)) {
        map.error_slots = std::min(layout.units(), kMostErrorSlots);
        map.errors_offset = locate(reader, kErrors, Type::u8, {map.error_slots, kErrorSlotBytes}, map.sealed);
    }
    if (reader.contains(kChecks)) map.checks_offset = locate(reader, kChecks, Type::i64, {2}, false);
    if (map.sealed) return map;
    map.owner_offset = locate(reader, kOwner, Type::u8, {kOwnerBytes}, false);
    map.finished_offset = locate(reader, kFinished, Type::boolean, {}, false);
    return map;
}

ResultMap read_result_map(std::filesystem::path const& file) {
    return read_result_map(AnnDataReader(file));
}

bool is_result_file(std::filesystem::path const& file) {
    try {
        return AnnDataReader(file).contains(kOwner);
    } catch (Error const&) {
        return false;
    }
}

}  // namespace mpira::store
