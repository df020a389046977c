#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <Eigen/Core>

#include "mpira/store/anndata_reader.hpp"

namespace mpira::jobs {

/// Gene-by-motif matrices of one or several results of `jacobian`, as one tall matrix: mapped, not copied.
class NetworkMatrix {
public:
    /// `values`: "genes" (uns/gene_by_motif) or "rows" (X). Throws Origin::usage naming file and key: a file
    /// that isn't finished, without those values or with other features, values that are not finite.
    /// `gene_column`: column of obs that names genes ("gene_name"); empty: they stay unnamed.
    /// `output`: whose rows are taken ("own", or a name: jobs/output_rows.hpp).
    NetworkMatrix(std::vector<std::string> const& files, std::string const& values,
                  std::vector<std::string> const& drop, std::string const& gene_column,
                  std::string const& output);

    [[nodiscard]] std::uint64_t rows() const noexcept { return cell_type_of_.size(); }
    /// Without those to drop.
    [[nodiscard]] std::vector<std::string> const& features() const noexcept { return features_; }
    [[nodiscard]] std::vector<std::string> const& cell_types() const noexcept { return cell_types_; }
    /// Names of genes, each once, in the order of their first row; none where they stay unnamed.
    [[nodiscard]] std::vector<std::string> const& genes() const noexcept { return genes_; }
    /// The gene of a row: an index into genes().
    [[nodiscard]] std::uint32_t gene_of(std::uint64_t row) const { return gene_of_.at(row); }
    [[nodiscard]] std::vector<std::uint64_t> rows_of(std::uint32_t cell_type) const;
    /// These rows, (rows, features), of the features named by index.
    [[nodiscard]] Eigen::MatrixXd read(std::span<std::uint64_t const> rows,
                                       std::span<std::uint32_t const> features) const;
    /// Leaves only these features.
    void keep(std::vector<std::uint32_t> const& features);
    /// Names what the files hold.
    [[nodiscard]] std::string const& content_hash() const noexcept { return content_hash_; }

private:
    struct Part {
        store::MappedArray<float> values;
        std::uint64_t first = 0;
        std::string file;
    };
    std::vector<Part> parts_;
    std::vector<std::string> features_;
    std::vector<std::uint32_t> columns_;  ///< of features_, in the files
    std::vector<std::string> cell_types_;
    std::vector<std::uint32_t> cell_type_of_;  ///< of each row
    std::vector<std::uint64_t> row_of_;        ///< of each row, in its file
    std::vector<std::string> genes_;
    std::vector<std::uint32_t> gene_of_;  ///< of each row
    std::string content_hash_;
};

}  // namespace mpira::jobs
