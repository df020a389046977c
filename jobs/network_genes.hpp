#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include <Eigen/Core>
#include <nlohmann/json.hpp>

#include "mpira/base/settings.hpp"
#include "mpira/genome/gene_table.hpp"
#include "mpira/store/job.hpp"

#include "jobs/agreement.hpp"
#include "jobs/gene_sets.hpp"
#include "jobs/network_matrix.hpp"

namespace mpira::jobs {

/// Whether any part is switched on that needs the names of genes.
bool needs_genes(Settings const& settings);

/// Genes of some rows, each once; of several rows of a gene, a motif's largest value.
struct GeneTable {
    std::vector<std::uint32_t> genes;  ///< numbers in NetworkMatrix::genes(), in the order of their first row
    Eigen::MatrixXd values;            ///< (genes, motifs)
};
GeneTable gene_table(NetworkMatrix const& matrix, std::span<std::uint64_t const> rows,
                     Eigen::MatrixXd const& x, bool absolute);

/// How top genes are chosen: settings [top_genes].
struct TopGenes {
    std::uint64_t most = 0;
    double share = 0;
    bool absolute = false;
    bool paper = false;

    explicit TopGenes(Settings const& settings);
    /// Throws Origin::usage where `paper` wants more than are tested.
    [[nodiscard]] std::uint64_t count(std::uint64_t tested, std::string const& cell_type) const;
    /// (motifs) lists of places in the table, of `count` or fewer (enrichment.hpp); empty for a motif that is
    /// the same in all genes.
    [[nodiscard]] std::vector<std::vector<std::uint32_t>> of(GeneTable const& table,
                                                             std::uint64_t count) const;
};

/// Settings [top_genes] and [enrichment]: what rows of cell types hold beside their correlations.
class GeneLists {
public:
    /// Reads the gene sets. Throws Origin::usage by file and key: no set of a permitted size, none of whose
    /// genes was tested in some cell type, rows of cell types switched off.
    GeneLists(Settings const& settings, NetworkMatrix const& matrix);

    void add_to(store::ResultLayout& layout) const;
    void describe(nlohmann::json& uns) const;
    [[nodiscard]] std::string summary() const;  ///< a line for people
    /// A row of a cell type: `x` are its rows of the matrix.
    void run(std::uint32_t cell_type, std::span<std::uint64_t const> rows, Eigen::MatrixXd const& x,
             store::UnitRows& out, std::stop_token const& stop) const;
    /// A row of another kind: it has no genes.
    void run_without(store::UnitRows& out) const;
    /// Adjusts the p-values of the run; the first rows are those of cell types.
    void finish(store::FinishedRows& rows) const;

private:
    [[nodiscard]] std::uint64_t sets() const { return chosen_.size(); }
    void read_sets(Settings const& settings);
    void enrich(GeneTable const& table, std::vector<std::vector<std::uint32_t>> const& lists,
                store::UnitRows& out, std::stop_token const& stop) const;

    NetworkMatrix const& matrix_;
    TopGenes top_;
    std::vector<std::uint64_t> counts_;  ///< of cell types
    std::uint64_t width_ = 0;            ///< the largest of counts_
    bool enriches_;
    std::string content_;
    GeneSets sets_;
    std::vector<std::uint32_t> chosen_;                ///< sets of a permitted size
    std::vector<std::uint8_t> in_sets_;                ///< of NetworkMatrix::genes(): in any set of the file
    std::vector<std::vector<std::uint32_t>> sets_of_;  ///< of NetworkMatrix::genes(): places in chosen_
};

/// Settings [target_expression]: each factor of a motif beside the motif's targets, over cell types.
class TargetExpression {
public:
    /// Throws Origin::usage: fewer than three cell types, no factor or target in the table, and what
    /// genome::GeneTable refuses.
    TargetExpression(Settings const& settings, NetworkMatrix const& matrix, Annotation const& annotation);

    void add_to(store::ResultLayout& layout) const;
    void describe(nlohmann::json& uns) const;
    [[nodiscard]] std::string summary() const;  ///< a line for people
    void finish(store::FinishedRows& rows) const;

private:
    struct Pair {
        std::uint32_t motif;
        std::string factor;
    };
    NetworkMatrix const& matrix_;
    TopGenes top_;
    genome::GeneTable table_;
    std::string content_;
    std::vector<Pair> pairs_;
    std::vector<std::string> without_expression_;  ///< factors that the table lacks
    std::uint64_t count_;                          ///< of targets
};

}  // namespace mpira::jobs
