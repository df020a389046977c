#include "report/ridge.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "mpira/base/error.hpp"
#include "mpira/model/ridge.hpp"

namespace mpira::report {

std::vector<double> out_of_fold_ridge(std::span<float const> x, std::span<double const> y,
                                      std::span<std::uint32_t const> fold, double alpha) {
    auto const rows = y.size();
    ensure(rows > 0 && x.size() % rows == 0 && fold.size() == rows && alpha > 0,
           "out_of_fold_ridge: other shapes");
    auto const columns = x.size() / rows;
    std::map<std::uint32_t, std::vector<std::size_t>> rows_of;
    for (std::size_t row = 0; row < rows; ++row) rows_of[fold[row]].push_back(row);
    ensure(rows_of.size() > 1, "out_of_fold_ridge: one fold");

    model::RidgeSums all(columns);
    std::map<std::uint32_t, model::RidgeSums> of;
    for (auto const& [number, members] : rows_of) {
        model::RidgeSums sums(columns);
        constexpr std::size_t kBlock = 1024;
        for (std::size_t first = 0; first < members.size(); first += kBlock) {
            std::vector<float> block;
            std::vector<double> targets;
            for (auto const row :
                 std::span(members).subspan(first, std::min(kBlock, members.size() - first))) {
                auto const own = x.subspan(row * columns, columns);
                block.insert(block.end(), own.begin(), own.end());
                targets.push_back(y[row]);
            }
            sums.add(block, targets);
        }
        all += sums;
        of.emplace(number, std::move(sums));
    }

    std::vector<double> predicted(rows);
    for (auto const& [number, members] : rows_of) {
        auto others = all;
        others -= of.at(number);
        auto const fit = others.fit(alpha).front();
        for (auto const row : members) predicted[row] = fit.predict(x.subspan(row * columns, columns));
    }
    return predicted;
}

}  // namespace mpira::report
