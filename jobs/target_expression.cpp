#include "jobs/target_expression.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/mapped_text.hpp"
#include "mpira/base/text.hpp"

#include "jobs/network_statistics.hpp"

namespace mpira::jobs {
namespace {

using Eigen::Index;

double pearson(Eigen::VectorXd const& one, Eigen::VectorXd const& other) {
    Eigen::VectorXd const x = one.array() - one.mean(), y = other.array() - other.mean();
    bool const varies = one.maxCoeff() > one.minCoeff() && other.maxCoeff() > other.minCoeff();
    return varies ? x.dot(y) / (x.norm() * y.norm()) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

ExpressionTable::ExpressionTable(std::filesystem::path const& file, std::span<std::string const> cell_types) {
    MappedText const text(file);
    require(text.size() > 0,
            fmt::format("{} is empty: expected a header with the names of cell types", file.string()));
    std::vector<std::string> header;
    for (auto const name : text::split(text.line(0), '\t')) header.emplace_back(text::trim(name));
    std::vector<std::size_t> columns;
    for (auto const& cell_type : cell_types) {
        auto const found = std::find(header.begin() + 1, header.end(), cell_type);
        if (found == header.end())
            text.refuse(0, fmt::format("no column for cell type '{}'{}", cell_type,
                                       text::did_you_mean(cell_type, header)));
        if (std::find(found + 1, header.end(), cell_type) != header.end())
            text.refuse(0, fmt::format("two columns are named '{}'", cell_type));
        columns.push_back(static_cast<std::size_t>(found - header.begin()));
    }
    for (std::size_t at = text.after(0); at < text.size(); at = text.after(at)) {
        if (text::trim(text.line(at)).empty()) continue;
        auto const fields = text::split(text.line(at), '\t');
        if (fields.size() != header.size())
            text.refuse(at, fmt::format("{} fields, the header has {}", fields.size(), header.size()));
        std::vector<double> values;
        for (auto const column : columns) {
            auto const value = text::to_number(text::trim(fields[column]));
            if (!value || !std::isfinite(*value))
                text.refuse(at, fmt::format("'{}' in column '{}' is not a finite number", fields[column],
                                            header[column]));
            values.push_back(*value);
        }
        if (!values_.emplace(text::trim(fields[0]), std::move(values)).second)
            text.refuse(at, fmt::format("gene '{}' is given twice", text::trim(fields[0])));
    }
}

std::span<double const> ExpressionTable::of(std::string_view gene) const {
    auto const found = values_.find(std::string(gene));
    return found == values_.end() ? std::span<double const>{} : found->second;
}

Correlations correlations(std::span<double const> one, std::span<double const> other) {
    ensure(one.size() == other.size() && !one.empty(), "correlations: different lengths");
    Eigen::MatrixXd both(static_cast<Index>(one.size()), 2);
    both.col(0) = Eigen::Map<Eigen::VectorXd const>(one.data(), both.rows());
    both.col(1) = Eigen::Map<Eigen::VectorXd const>(other.data(), both.rows());
    return {pearson(both.col(0), both.col(1)), spearman(both)(0, 1)};
}

}  // namespace mpira::jobs
