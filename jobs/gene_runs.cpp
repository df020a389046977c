#include "jobs/gene_runs.hpp"

#include <cstddef>

namespace mpira::jobs {

std::vector<GeneRun> gene_runs(std::span<JacobianRow const> rows) {
    std::vector<GeneRun> runs;
    for (std::uint64_t row = 0; row < rows.size(); ++row) {
        bool const continues = row > 0 && rows[row].gene == rows[row - 1].gene &&
                               rows[row].output == rows[row - 1].output &&
                               rows[row].cell_type == rows[row - 1].cell_type;
        if (!continues) runs.push_back({row, 0});
        ++runs.back().count;
    }
    return runs;
}

void add_gene_runs(store::ResultLayout& layout, std::span<GeneRun const> runs) {
    std::vector<std::int64_t> first, count;
    for (auto const& gene : runs) {
        first.push_back(static_cast<std::int64_t>(gene.first));
        count.push_back(static_cast<std::int64_t>(gene.count));
    }
    auto const put = [&](char const* path, std::vector<std::int64_t> const& values) {
        auto const bytes = std::as_bytes(std::span(values));
        layout.fixed_arrays.push_back(
            {path, store::Type::i64, {values.size()}, {bytes.begin(), bytes.end()}});
    };
    put("uns/gene_first_row", first);
    put("uns/gene_row_count", count);
}

}  // namespace mpira::jobs
