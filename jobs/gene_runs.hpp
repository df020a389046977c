#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "mpira/store/layout.hpp"

#include "jobs/jacobian_inputs.hpp"

namespace mpira::jobs {

/// The rows of one gene, output and cell type, which follow each other.
struct GeneRun {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
};

/// Of rows that are genes, as JacobianInputs orders them.
[[nodiscard]] std::vector<GeneRun> gene_runs(std::span<JacobianRow const> rows);

/// uns/gene_first_row and uns/gene_row_count: which rows of obs a row of values by gene stands for.
void add_gene_runs(store::ResultLayout& layout, std::span<GeneRun const> runs);

}  // namespace mpira::jobs
