#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mpira/genome/motifs.hpp"

#include "genome/lines.hpp"

namespace mpira::genome {

/// Motifs of counts as they are read from a file: each id once, each matrix one that can be scored.
class MotifList {
public:
    explicit MotifList(Lines const& lines) : lines_(lines) {}

    /// Adds a motif whose id stands on line `line`. Refused at the present line: an id that is there already,
    /// no position, a position that counts no base.
    void add(Motif motif, std::int64_t line);

    /// All of them; refused when there is none.
    std::vector<Motif> take(std::string_view file);

private:
    Lines const& lines_;
    std::vector<Motif> motifs_;
    std::unordered_map<std::string, std::int64_t> line_of_;
};

/// A count of a matrix; refused at the present line: no number, or one below 0.
double count_of(std::string_view word, Lines const& lines);

}  // namespace mpira::genome
