#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/settings.hpp"
#include "mpira/genome/genes.hpp"
#include "mpira/genome/windows.hpp"
#include "mpira/model/model_card.hpp"
#include "mpira/store/layout.hpp"

#include "jobs/device_settings.hpp"

namespace mpira::jobs {

/// Of all jobs that read windows around genes.
inline DeviceSize const kGradientBatch{"model.micro_batch", 4, 256};

/// A row of the gene-by-motif matrix: one output of the model, read at one region of one cell type.
struct JacobianRow {
    static constexpr std::uint32_t kNoGene = std::numeric_limits<std::uint32_t>::max();
    std::uint32_t cell_type = 0;
    std::uint32_t gene = kNoGene;  ///< kNoGene: rows are regions
    std::uint32_t region = 0;      ///< row of the atlas
    std::uint32_t output = 0;      ///< of the model
    bool own_output = true;        ///< that of the gene's strand
    char strand = '.';             ///< of the gene
    std::int64_t position = 0;     ///< start of transcription; rows that are regions: the centre
    std::uint32_t starts = 0;      ///< of the gene in this region and strand
    genome::FocusedWindow window;  ///< in places of the cell type's regions
};

/// A cell type of the campaign and the model that reads it.
struct JacobianCellType {
    std::string name;
    std::filesystem::path weights;
    model::ModelCard card;
};

/// The settings that JacobianInputs reads.
std::vector<SettingSpec> jacobian_input_settings(bool by_output);

/// What a Jacobian or a prediction is taken of: cell types, models, genes and their windows. Checks all of it
/// against the atlas at the start (Origin::usage).
class JacobianInputs {
public:
    /// `by_output`: a row for each output asked for; else a row for each gene and region, on the gene's own
    /// strand, for those who read all outputs at once.
    /// `gradients`: models must be differentiable.
    JacobianInputs(Settings const& settings, atlas::Atlas const& atlas, bool by_output = true,
                   bool gradients = true);

    /// By cell type, then by gene (rows of a gene and output follow each other), then by region.
    [[nodiscard]] std::vector<JacobianRow> const& rows() const noexcept { return rows_; }
    [[nodiscard]] std::vector<JacobianCellType> const& cell_types() const noexcept { return cell_types_; }
    [[nodiscard]] genome::Genes const& genes() const noexcept { return genes_; }
    [[nodiscard]] bool has_genes() const noexcept { return !genes_.ids.empty(); }
    /// Unique and readable: gene, region, strand, and what else tells rows apart here.
    [[nodiscard]] std::string row_name(JacobianRow const& row) const;
    [[nodiscard]] std::string const& output_name(JacobianRow const& row) const;
    /// The outputs of all models, for results with a column each; models that differ in them are refused.
    [[nodiscard]] std::vector<std::string> shared_outputs() const;
    /// Regions of the widest window.
    [[nodiscard]] std::uint64_t most_regions() const noexcept { return most_regions_; }
    /// Rows that windows of a cell type consist of; places count in it.
    [[nodiscard]] std::vector<std::uint32_t> chosen_rows(std::uint32_t cell_type) const;
    /// The accessibility column a cell type's model reads, one value a region; empty: 1.
    [[nodiscard]] std::vector<float> accessibility(std::uint32_t cell_type) const;

    /// What an output of a cell type is held against, one value a region: the atlas's expression column that
    /// expression.observed names; unless it is set, the cell type's accessibility for models that predict
    /// accessibility (as they are trained: neither scaled nor clipped), and for others the expression column
    /// "{cell_type}.{output}" or "{output}". Empty where the atlas has none. An unknown name that was asked
    /// for is refused.
    [[nodiscard]] std::vector<float> observed(std::uint32_t cell_type, std::uint32_t output) const;
    /// Obs of the result: names, cell types, genes, places, windows.
    [[nodiscard]] store::Frame obs() const;

    /// Where the result's numbers come from, for its uns: assembly, atlas, model cards (as the JSON text that
    /// stands in the weights files) and names of the cell types, rows left out and why.
    [[nodiscard]] nlohmann::json provenance() const;
    /// Content hashes of weights and genes: part of a campaign's identity.
    [[nodiscard]] nlohmann::json hashes() const;
    [[nodiscard]] std::string describe() const;

private:
    void choose_cell_types(bool gradients);
    void require_fits(JacobianCellType const& cell_type, bool is_named) const;
    void read_genes();
    void make_rows();
    [[nodiscard]] genome::WindowRules rules_of(JacobianCellType const& cell_type) const;
    [[nodiscard]] std::vector<std::uint32_t> outputs_of(JacobianCellType const& cell_type, char strand) const;
    void add_row(JacobianRow row, genome::FocusedWindows const& windows, std::uint32_t place);

    Settings settings_;
    atlas::Atlas const& atlas_;
    bool by_output_;
    std::vector<JacobianCellType> cell_types_;
    std::vector<std::vector<std::string>> output_names_;  ///< a cell type
    genome::Genes genes_;
    std::vector<JacobianRow> rows_;
    std::uint64_t most_regions_ = 0;
    std::uint64_t most_outputs_a_row_ = 1;
    std::uint64_t shifted_ = 0;
    std::uint64_t short_ = 0;
    std::uint64_t closed_ = 0;  ///< promoters in regions that a cell type doesn't have
    nlohmann::json left_out_;   ///< {"too_wide": [names], "at_ends": [names]}
};

}  // namespace mpira::jobs
