// The inner loops of DirectLiNGAM: compiled with -ffast-math (jobs/CMakeLists.txt), so that exp and log come
// as vectors from glibc's libmvec. No value here is infinite or not a number; nothing else belongs here.
#include <cmath>

#include "jobs/network_statistics.hpp"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define MPIRA_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MPIRA_CLONES
#endif

namespace mpira::jobs::kernels {
namespace {

constexpr double kLog2 = 0.69314718055994530942;
/// log(1 + e) is summed as the logarithm of products of so many factors, each in (1, 2]: below 2^512.
constexpr std::int64_t kBlock = 512;

}  // namespace

// log cosh u without overflow: |u| + log(1 + exp(-2 |u|)) - log 2.

MPIRA_CLONES EntropySums entropy_sums(double const* u, std::int64_t n) {
    double log_cosh = 0;
    double gauss = 0;
    for (std::int64_t first = 0; first < n; first += kBlock) {
        std::int64_t const end = first + kBlock < n ? first + kBlock : n;
        double product = 1;
        for (std::int64_t i = first; i < end; ++i) {
            double const size = std::fabs(u[i]);
            log_cosh += size;
            product *= 1 + std::exp(-2 * size);
            gauss += u[i] * std::exp(-0.5 * u[i] * u[i]);
        }
        log_cosh += std::log(product);
    }
    return {log_cosh - kLog2 * static_cast<double>(n), gauss};
}

MPIRA_CLONES PairSums residual_sums(double const* x, double const* y, std::int64_t n, double rho,
                                    double inverse_sd) {
    double cosh_u = 0;
    double cosh_v = 0;
    double gauss_u = 0;
    double gauss_v = 0;
    for (std::int64_t first = 0; first < n; first += kBlock) {
        std::int64_t const end = first + kBlock < n ? first + kBlock : n;
        double product_u = 1;
        double product_v = 1;
        for (std::int64_t i = first; i < end; ++i) {
            double const u = (x[i] - rho * y[i]) * inverse_sd;
            double const v = (y[i] - rho * x[i]) * inverse_sd;
            double const size_u = std::fabs(u);
            double const size_v = std::fabs(v);
            cosh_u += size_u;
            cosh_v += size_v;
            product_u *= 1 + std::exp(-2 * size_u);
            product_v *= 1 + std::exp(-2 * size_v);
            gauss_u += u * std::exp(-0.5 * u * u);
            gauss_v += v * std::exp(-0.5 * v * v);
        }
        cosh_u += std::log(product_u);
        cosh_v += std::log(product_v);
    }
    double const all = kLog2 * static_cast<double>(n);
    return {{cosh_u - all, gauss_u}, {cosh_v - all, gauss_v}};
}

}  // namespace mpira::jobs::kernels
