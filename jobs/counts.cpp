#include "jobs/counts.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/mapped_text.hpp"
#include "mpira/base/text.hpp"

#include "jobs/entries.hpp"

namespace mpira::jobs {
namespace {

std::vector<SettingSpec> counts_settings() {
    std::string const none;
    SettingValue const required;
    return {
        {"genome.chrom_sizes", SettingKind::text, required,
         "Names and lengths of chromosomes (a .fai will do), in the order regions are sorted by.",
         Affects::run},
        {"genome.assembly", SettingKind::text, required, "Its name (dm3, hg38)."},
        {"regions.bed", SettingKind::text, none,
         "The regions: BED3 to BED6 or narrowPeak, the same that the atlas is made of. With matrices it may "
         "be empty: "
         "their own peaks.",
         Affects::run},
        {"fragments", SettingKind::texts, std::vector<std::string>(),
         "Fragments: files that are bgzipped and have their index (tabix -p bed), or sorted BAMs with theirs "
         "(samtools index): \"name=path.tsv.gz\", a cell type each; files of one name are added. With "
         "barcodes, only paths.",
         Affects::run},
        {"matrices", SettingKind::texts, std::vector<std::string>(),
         "Instead of fragments, counts that exist, of cells or pseudobulks: a folder with matrix.mtx, Cell "
         "Ranger's .h5, or "
         "AnnData (.h5ad, cells x peaks). \"name=path\", all cells of one type, or with barcodes or "
         "matrix.cell_types only paths.",
         Affects::run},
        {"bigwigs", SettingKind::texts, std::vector<std::string>(),
         "Instead of these, coverage of fragments as bigWig files: \"name=path.bw\", a cell type each; files "
         "of one name are added. Needs signal = true.",
         Affects::run},
        {"cage", SettingKind::texts, std::vector<std::string>(),
         "Instead of these, CAGE: where transcripts begin. Tables of start sites (CTSS: BED of single bases "
         "with "
         "the number of reads in column 5 and the strand in 6; bgzip, tabix -p bed) or sorted BAMs: "
         "\"name=path\", a cell type each; files of one name are added. Counted are 5' ends, in a column a "
         "cell "
         "type and strand.",
         Affects::run},
        {"signal", SettingKind::flag, false,
         "That the bigwigs are coverage of fragments, in whatever unit: a region then has the sum over its "
         "bases, and its share of the file's sum is what the share of fragments is for counts."},
        {"matrix.cell_types", SettingKind::text, none,
         "AnnData: the column of obs that names each cell's type, or index: each row's name is one "
         "(pseudobulks)."},
        {"matrix.values", SettingKind::text, std::string("X"),
         "AnnData: where the counts are, X, raw/X or layers/NAME."},
        {"barcodes", SettingKind::text, none,
         "TSV of barcode and cell type: which cells make a cell type, in all files. Other barcodes are left "
         "out, of "
         "the totals too. Empty: a file is a cell type.",
         Affects::run},
        {"counted",
         SettingKind::text,
         std::string("fragments"),
         "What is counted in a region, of fragments: fragments that overlap it, or insertions of Tn5, two a "
         "fragment, that "
         "lie in it.",
         Affects::result,
         {"fragments", "insertions"}},
        {"bam.min_mapq",
         SettingKind::integer,
         std::int64_t{30},
         "BAMs: reads (and mates, where the tag MQ is there) below this mapping quality are left out, as "
         "secondary alignments always are, and of fragments duplicates and improper pairs.",
         Affects::result,
         {},
         0,
         255},
        {"bam.max_fragment_bp",
         SettingKind::integer,
         std::int64_t{2000},
         "BAMs: longer fragments are left out.",
         Affects::result,
         {},
         10,
         1e6},
        {"bam.barcode_tag", SettingKind::text, std::string("CB"),
         "BAMs: the tag that holds a cell's barcode."},
        {"unit.regions",
         SettingKind::integer,
         std::int64_t{4096},
         "Regions in a unit of work.",
         Affects::result,
         {},
         1,
         1e6},
    };
}

std::unique_ptr<store::Job> make(Settings const& settings, Place const& /*place*/) {
    bool const has_fragments = !settings.texts("fragments").empty();
    bool const has_matrices = !settings.texts("matrices").empty();
    bool const has_bigwigs = !settings.texts("bigwigs").empty();
    bool const has_cage = !settings.texts("cage").empty();
    if (has_fragments + has_matrices + has_bigwigs + has_cage != 1)
        settings.refuse(
            "fragments",
            "name files of fragments here, or counts that exist in matrices, or bigwigs, or cage");
    if (!has_matrices) {
        for (auto const* const key : {"matrix.cell_types", "matrix.values"})
            settings.refuse_given(key, "is of matrices, and none are given");
    }
    if (!has_fragments) {
        if (!has_cage) refuse_alignment_settings(settings);
        settings.refuse_given("counted", "is of fragments; what is given says itself what it counted");
    }
    if (has_cage) {
        settings.refuse_given("barcodes", "is of cells, and cage files have none");
        settings.refuse_given("bam.barcode_tag", "is of cells, and cage files have none");
        settings.refuse_given("bam.max_fragment_bp", "is of fragments, and of cage 5' ends are counted");
    }
    if (has_bigwigs) {
        settings.refuse_given("barcodes", "is of cells, and bigwigs have none");
        return count_signal(settings);
    }
    settings.refuse_given("signal", "is of bigwigs, and none are given");
    return has_matrices ? count_matrices(settings) : count_fragments(settings);
}

}  // namespace

namespace {

/// What people call the column of barcodes, and what no sequencer calls a cell.
bool is_header(std::string_view field) {
    constexpr std::array<std::string_view, 9> kNames{"",      "barcode", "barcodes", "cb",   "cell",
                                                     "cells", "cell_id", "cellid",   "index"};
    std::string name(field);
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    return std::ranges::find(kNames, name) != kNames.end();
}

}  // namespace

Barcodes::Barcodes(std::filesystem::path const& file) {
    MappedText const text(file);
    std::unordered_map<std::string, std::uint32_t> numbers;
    bool is_first = true;
    for (std::size_t at = 0; at < text.size(); at = text.after(at)) {
        auto const line = text.line(at);
        if (text::trim(line).empty() || line.starts_with('#')) continue;
        auto const fields = text::split(line, '\t');
        if (std::exchange(is_first, false) && is_header(fields[0])) {
            log::info("{}: '{}' is taken for its header", file.string(), line);
            continue;
        }
        if (fields.size() < 2 || fields[0].empty() || text::trim(fields[1]).empty())
            text.refuse(at, "expected a barcode, a tab and its cell type");
        auto const number = numbers.emplace(text::trim(fields[1]), names_.size());
        if (number.second) names_.emplace_back(text::trim(fields[1]));
        if (!cell_types_.emplace(fields[0], number.first->second).second)
            text.refuse(at, fmt::format("barcode '{}' is given twice", fields[0]));
        if (example_.empty()) example_ = fields[0];
    }
    require(!names_.empty(), fmt::format("{}: no barcode", file.string()));
}

std::optional<std::uint32_t> Barcodes::find(std::string_view barcode) {
    key_.assign(barcode);
    auto const found = cell_types_.find(key_);
    if (found == cell_types_.end()) return std::nullopt;
    return found->second;
}

void refuse_alignment_settings(Settings const& settings) {
    for (auto const* const key : {"bam.min_mapq", "bam.max_fragment_bp", "bam.barcode_tag"})
        settings.refuse_given(key, "is of BAMs, and none are given");
}

store::ResultLayout counts_layout(Settings const& settings, std::size_t regions, std::size_t cell_types,
                                  CountTypes const& types) {
    store::ResultLayout layout;
    layout.job = "counts";
    layout.rows = regions;
    layout.rows_per_unit = settings.count("unit.regions");
    layout.row_arrays = {{"X", types.count, {cell_types}}};
    layout.fixed_arrays = {{"uns/total", types.sum, {cell_types}, {}},
                           {"uns/largest", types.sum, {cell_types}, {}}};
    layout.identity = settings.to_json(true);
    return layout;
}

NamedFile named_file(std::string const& item, Settings const& settings, std::string_view key,
                     std::vector<std::string>& names) {
    auto const equals = item.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == item.size())
        settings.refuse(key, fmt::format("'{}': write name=path, or name barcodes", item));
    auto const name = item.substr(0, equals);
    auto const found = std::ranges::find(names, name);
    auto const number = static_cast<std::uint32_t>(found - names.begin());
    if (found == names.end()) names.push_back(name);
    return {number, item.substr(equals + 1)};
}

JobEntry counts_entry() {
    return {"counts",
            "ATAC fragments, BAMs, matrices of cells, bigWigs or CAGE to counts of regions and cell types",
            "mpirun -n 4 mpira counts --set genome.chrom_sizes=hg38.fa.fai --set genome.assembly=hg38 "
            "--set regions.bed=peaks.bed --set fragments=fragments.tsv.gz --set barcodes=cell_types.tsv "
            "--output counts.h5ad",
            counts_settings, make};
}

}  // namespace mpira::jobs
