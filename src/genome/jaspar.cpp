#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sqlite3.h>

#include "mpira/base/error.hpp"
#include "mpira/genome/motifs.hpp"

namespace mpira::genome {
namespace {

struct CloseDatabase {
    void operator()(sqlite3* database) const noexcept { sqlite3_close(database); }
};
struct FinalizeStatement {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};

class Database {
public:
    explicit Database(std::filesystem::path const& file) : name_(file.string()) {
        if (!std::filesystem::is_regular_file(file)) fail_usage(fmt::format("{}: no such file", name_));
        sqlite3* opened = nullptr;
        int const code = sqlite3_open_v2(name_.c_str(), &opened, SQLITE_OPEN_READONLY, nullptr);
        handle_.reset(opened);
        if (code != SQLITE_OK) refuse();
    }

    [[noreturn]] void refuse() const {
        fail_usage(fmt::format("{}: {}; a JASPAR SQLite release was expected", name_,
                               sqlite3_errmsg(handle_.get())));
    }
    [[nodiscard]] std::string const& name() const noexcept { return name_; }
    [[nodiscard]] sqlite3* raw() const noexcept { return handle_.get(); }

private:
    std::string name_;
    std::unique_ptr<sqlite3, CloseDatabase> handle_;
};

class Query {
public:
    Query(Database const& database, char const* sql) : database_(&database) {
        sqlite3_stmt* prepared = nullptr;
        if (sqlite3_prepare_v2(database.raw(), sql, -1, &prepared, nullptr) != SQLITE_OK) database.refuse();
        statement_.reset(prepared);
    }
    void bind(int place, std::string const& value) {
        sqlite3_bind_text(statement_.get(), place, value.c_str(), -1, SQLITE_TRANSIENT);
    }
    void bind(int place, std::int64_t value) { sqlite3_bind_int64(statement_.get(), place, value); }
    bool next() {
        int const code = sqlite3_step(statement_.get());
        if (code != SQLITE_ROW && code != SQLITE_DONE) database_->refuse();
        return code == SQLITE_ROW;
    }
    void again() { sqlite3_reset(statement_.get()); }
    [[nodiscard]] std::int64_t integer(int column) const {
        return sqlite3_column_int64(statement_.get(), column);
    }
    [[nodiscard]] double number(int column) const { return sqlite3_column_double(statement_.get(), column); }
    [[nodiscard]] std::string text(int column) const {
        auto const* const bytes = sqlite3_column_text(statement_.get(), column);
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): SQLite's text is of unsigned char
        return bytes == nullptr ? std::string() : reinterpret_cast<char const*>(bytes);
    }

private:
    Database const* database_;
    std::unique_ptr<sqlite3_stmt, FinalizeStatement> statement_;
};

struct Entry {
    std::int64_t key = 0;  // MATRIX.ID
    std::int64_t version = 0;
    std::string name;
    bool in_group = false;
};

/// The newest version of each BASE_ID, in BASE_ID order. A motif's group is that of its newest version, so
/// that an older version of another group doesn't come in its place.
std::map<std::string, Entry> newest(Database const& database, std::string const& collection,
                                    std::string const& tax_group) {
    std::map<std::string, Entry> motifs;
    Query query(
        database,
        "SELECT ID, BASE_ID, VERSION, NAME, ?2 = '' OR EXISTS (SELECT 1 FROM MATRIX_ANNOTATION AS note "
        "WHERE note.ID = MATRIX.ID AND note.TAG = 'tax_group' AND note.VAL = ?2) "
        "FROM MATRIX WHERE COLLECTION = ?1");
    query.bind(1, collection);
    query.bind(2, tax_group);
    while (query.next()) {
        Entry entry{query.integer(0), query.integer(2), query.text(3), query.integer(4) != 0};
        auto const [at, is_new] = motifs.emplace(query.text(1), entry);
        if (!is_new && at->second.version < entry.version) at->second = std::move(entry);
    }
    std::erase_if(motifs, [](auto const& motif) { return !motif.second.in_group; });
    return motifs;
}

std::vector<std::string> listed(Database const& database, char const* sql) {
    std::vector<std::string> values;
    Query query(database, sql);
    while (query.next()) values.push_back(query.text(0));
    return values;
}

void read_matrix(Database const& database, Query& query, std::int64_t key, Motif& motif) {
    constexpr std::string_view kBases = "ACGT";
    auto const refuse = [&](std::string_view what) {
        fail_usage(fmt::format("{}: motif {} ({}): {}", database.name(), motif.id, motif.name, what));
    };
    std::int64_t cells = 0;
    query.again();
    query.bind(1, key);
    while (query.next()) {
        auto const row = query.text(0);
        auto const base = row.size() == 1 ? kBases.find(row[0]) : std::string_view::npos;
        std::int64_t const position = query.integer(1);
        double const count = query.number(2);
        if (base == std::string_view::npos || position < 1 || position > 1000) {
            refuse(
                fmt::format("a cell of row '{}', column {} is not of a matrix of A, C, G, T", row, position));
        }
        if (!(count >= 0)) refuse(fmt::format("a count of {} at position {}", count, position));
        if (motif.width() < static_cast<std::size_t>(position)) {
            motif.counts.resize(static_cast<std::size_t>(position));
        }
        motif.counts[static_cast<std::size_t>(position - 1)][base] = count;
        ++cells;
    }
    if (motif.width() == 0 || cells != 4 * static_cast<std::int64_t>(motif.width())) {
        refuse(fmt::format("{} cells for {} positions, four each were expected", cells, motif.width()));
    }
    for (std::size_t i = 0; i < motif.width(); ++i) {
        auto const& column = motif.counts[i];
        if (column[0] + column[1] + column[2] + column[3] <= 0) {
            refuse(fmt::format("position {} counts no base", i + 1));
        }
    }
}

}  // namespace

std::vector<Motif> read_jaspar_sqlite(std::filesystem::path const& file, std::string const& collection,
                                      std::string const& tax_group) {
    Database const database(file);
    auto const entries = newest(database, collection, tax_group);
    if (entries.empty()) {
        fail_usage(fmt::format(
            "{}: no motif of collection '{}' and tax_group '{}'; there are the collections {} and the groups "
            "{}",
            database.name(), collection, tax_group,
            fmt::join(listed(database, "SELECT DISTINCT COLLECTION FROM MATRIX ORDER BY 1"), ", "),
            fmt::join(listed(database,
                             "SELECT DISTINCT VAL FROM MATRIX_ANNOTATION WHERE TAG = 'tax_group' "
                             "ORDER BY 1"),
                      ", ")));
    }
    std::vector<Motif> motifs;
    motifs.reserve(entries.size());
    Query cells(database, "SELECT row, col, val FROM MATRIX_DATA WHERE ID = ?1");
    for (auto const& [base, entry] : entries) {
        motifs.push_back({fmt::format("{}.{}", base, entry.version), entry.name, {}});
        read_matrix(database, cells, entry.key, motifs.back());
    }
    return motifs;
}

}  // namespace mpira::genome
