#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mpira/base/settings.hpp"
#include "mpira/store/job.hpp"

/// The three sources of `mpira counts`.
namespace mpira::jobs {

/// Cell types by barcode, in the order in which the file first has them.
class Barcodes {
public:
    /// A TSV of barcode and cell type, with or without a header; refused by line: a missing field, a barcode
    /// given twice.
    explicit Barcodes(std::filesystem::path const& file);
    [[nodiscard]] std::vector<std::string> const& cell_types() const noexcept { return names_; }
    [[nodiscard]] std::optional<std::uint32_t> find(std::string_view barcode);
    /// The first of the barcodes, for messages.
    [[nodiscard]] std::string const& example() const noexcept { return example_; }

private:
    std::vector<std::string> names_;
    std::unordered_map<std::string, std::uint32_t> cell_types_;
    std::string key_;
    std::string example_;
};

/// For sources without a BAM.
void refuse_alignment_settings(Settings const& settings);

/// What the results of all sources have: X (regions, cell types), uns/total and uns/largest (cell types), and
/// the settings as their identity.
struct CountTypes {
    store::Type count = store::Type::i32;
    store::Type sum = store::Type::i64;
};
[[nodiscard]] store::ResultLayout counts_layout(Settings const& settings, std::size_t regions,
                                                std::size_t cell_types, CountTypes const& types = {});

/// "name=path": the number of the name among `names`, where it is put if it is new, and the path. Refused,
/// naming `key`, without either.
struct NamedFile {
    std::uint32_t number = 0;
    std::filesystem::path file;
};
NamedFile named_file(std::string const& item, Settings const& settings, std::string_view key,
                     std::vector<std::string>& names);

std::unique_ptr<store::Job> count_fragments(Settings const& settings);
std::unique_ptr<store::Job> count_matrices(Settings const& settings);
std::unique_ptr<store::Job> count_signal(Settings const& settings);

}  // namespace mpira::jobs
