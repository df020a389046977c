#pragma once

#include <span>
#include <string>
#include <vector>

#include <Eigen/Core>
#include <nlohmann/json.hpp>

#include "mpira/base/settings.hpp"
#include "mpira/store/job.hpp"

#include "jobs/agreement.hpp"
#include "jobs/colocalisation.hpp"

namespace mpira::jobs {

/// Settings [annotation], as used by [target_expression] and [agreement]. `left_out`: motifs that it may name
/// although the matrix as it is used has them not.
Annotation annotation_of(Settings const& settings, std::span<std::string const> motifs,
                         std::span<std::string const> left_out);

/// Settings [agreement] and [colocalisation]: known interactions, and every network's agreement with them.
class NetworkTruths {
public:
    NetworkTruths(Settings const& settings, Annotation const& annotation);

    [[nodiscard]] bool wants_strengths() const noexcept { return !truths_.empty(); }
    /// `bootstraps`: edges have frequencies, too.
    void add_to(store::ResultLayout& layout, bool bootstraps) const;
    void describe(nlohmann::json& uns) const;
    [[nodiscard]] std::string summary() const;  ///< lines for people; may be empty
    /// A network's row; `strength` as agreement() takes it.
    void run(Eigen::MatrixXd const& strength, store::UnitRows& out) const;
    /// How often each edge was found in bootstraps.
    void finish(Eigen::MatrixXd const& frequency, store::FinishedRows& rows) const;

private:
    void read_peaks(Settings const& settings, Annotation const& annotation);
    void add(Truth truth, Settings const& settings);

    double recall_;
    std::vector<Truth> truths_;
    nlohmann::json contents_ = nlohmann::json::object();  ///< file hashes
    std::vector<std::string> factors_;                    ///< with peaks; empty: no co-localisation
    std::vector<std::int64_t> peak_counts_;
    std::vector<std::int64_t> overlaps_;
};

}  // namespace mpira::jobs
