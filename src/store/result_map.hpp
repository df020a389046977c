#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "mpira/store/anndata_reader.hpp"
#include "mpira/store/layout.hpp"

/// Where everything lies in a result file: names inside it, its layout as JSON, and byte offsets.
namespace mpira::store {

inline constexpr int kFormatVersion = 1;
inline constexpr char const* kMeta = "uns/mpira";
inline constexpr char const* kJournal = "uns/mpira/journal";  ///< u8 (units, 128)
inline constexpr char const* kErrors = "uns/mpira/errors";    ///< u8 (slots, kErrorSlotBytes)
/// i64 (2): CRC-32 of every byte that is written at creation and never again, and of the fixed arrays that
/// finish() writes, in their order.
inline constexpr char const* kChecks = "uns/mpira/checks";
inline constexpr char const* kOwner = "uns/mpira/owner";        ///< u8 (kOwnerBytes)
inline constexpr char const* kFinished = "uns/mpira/finished";  ///< boolean scalar
inline constexpr char const* kSealed = "uns/mpira/sealed";      ///< boolean scalar
inline constexpr char const* kFormat = "uns/mpira/format_version";
inline constexpr char const* kVersion = "uns/mpira/version";
inline constexpr char const* kIdentity = "uns/mpira/identity";  ///< JSON text
inline constexpr char const* kLayout = "uns/mpira/layout";      ///< JSON text
inline constexpr char const* kDone = "obs/done";

/// Without identity and the values of fixed arrays (only whether they have any).
nlohmann::json layout_to_json(ResultLayout const& layout);

struct ResultMap {
    ResultLayout layout;  ///< identity included; fixed arrays without values
    std::vector<bool> fixed_is_filled;
    std::string version;
    bool finished = false;
    bool sealed = false;  ///< the offsets below are absent then
    std::vector<std::uint64_t> row_offsets;
    std::vector<std::uint64_t> fixed_offsets;
    std::uint64_t done_offset = 0;
    std::uint64_t journal_offset = 0;
    std::uint64_t error_slots = 0;  ///< 0 in files of earlier versions
    std::uint64_t errors_offset = 0;
    std::optional<std::uint64_t> checks_offset;  ///< also of sealed files; nothing in earlier versions'
    std::uint64_t owner_offset = 0;
    std::uint64_t finished_offset = 0;
};

/// Numbers of the datasets after the row arrays, where all are kept in one list.
inline std::size_t done_array(ResultMap const& map) {
    return map.layout.row_arrays.size();
}
inline std::size_t journal_array(ResultMap const& map) {
    return map.layout.row_arrays.size() + 1;
}
inline std::size_t errors_array(ResultMap const& map) {
    return map.layout.row_arrays.size() + 2;
}

/// Reads and checks it: every dataset is there, of the type, shape and (unless sealed) offset that the layout
/// says. Throws Origin::usage naming file and dataset.
ResultMap read_result_map(AnnDataReader const& reader);
ResultMap read_result_map(std::filesystem::path const& file);
/// An HDF5 file with our record in it.
bool is_result_file(std::filesystem::path const& file);

}  // namespace mpira::store
