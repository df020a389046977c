// DirectLiNGAM for perf/lingam.py: reads rows and columns (int64) and the matrix (float64, column-major) from
// standard input; writes the causal order and the (column-major) effects as float64. CPU seconds: standard
// error.
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "jobs/network_statistics.hpp"
#include "timing.hpp"

namespace {

template <typename T>
void read(T* values, std::size_t count) {
    if (std::fread(values, sizeof(T), count, stdin) != count) throw std::runtime_error("input ends early");
}

}  // namespace

int main() {
    try {
        std::int64_t shape[2];
        read(shape, 2);
        Eigen::MatrixXd x(shape[0], shape[1]);
        read(x.data(), static_cast<std::size_t>(x.size()));
        std::vector<std::string> const names(static_cast<std::size_t>(shape[1]), "column");
        auto const begin = mpira::perf::cpu_seconds();
        auto const model = mpira::jobs::direct_lingam(x, names);
        std::fprintf(stderr, "%.6f\n", mpira::perf::cpu_seconds() - begin);
        std::vector<double> const order(model.order.begin(), model.order.end());
        std::fwrite(order.data(), sizeof(double), order.size(), stdout);
        std::fwrite(model.adjacency.data(), sizeof(double), static_cast<std::size_t>(model.adjacency.size()),
                    stdout);
        return 0;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
