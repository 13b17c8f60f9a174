// Tokens signed by OpenSSL's command, of one set of keys whose private halves are gone. Each is
// good from 2026-01-01T00:00:00Z for an hour, but for what its name says.
#pragma once

#include <string_view>

namespace ringmail::credential {

inline constexpr std::string_view kKeySet =
    "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"r1\",\"use\":\"sig\",\"alg\":\"RS256\",\"n\":"
    "\"xwDECBDU6vFCV0FgRhBGFJGv"
    "Goe8bawun1NMN9V8oHcnApAis4mawHbUeYbj1Rew-zwz_u3eSFDKvSeUwv8rEeElHNXczxugqlol9aZTX5ijEBby"
    "FLpuYGWr29ruGdVauHd8AvYm-a0rARyjt5i7x-yqj1ay9t7oJ5dciOJgkyDhDh5k2Z_F1wDpZLF9UCY8wbSaG27i"
    "8q2VJ7oYPMeqmhSGp3l79MWyYUK10zX27yOydbEqmxFvnJHvWvH2ILq6d7RF0hRPzrTLz9DGy8WeUz4LM3x9LUsD"
    "72MP3etIjlXWqblOKT8_IH98gldVWxqX2dIKmH8vvNdATzbd48hCwQ\",\"e\":\"AQAB\"},{\"kty\":\"EC\","
    "\"kid\":\"e"
    "1\",\"crv\":\"P-256\",\"x\":\"3p2shcLxPPDI-MRPlZQ-i0q06arz2y6w5Ualob0qFlU\",\"y\":"
    "\"7KU5IpuGSkHU754l"
    "POkI5BN6WrC-aIjOhk1KnwXQUZU\"},{\"kty\":\"OKP\",\"kid\":\"d1\",\"crv\":\"Ed25519\",\"x\":"
    "\"TMb9BCG9L_c2v"
    "J916YLAsPlqqw3xtt7IzyAHnhpWEe4\"},{\"kty\":\"oct\",\"kid\":\"s1\",\"k\":\"c2VjcmV0\"}]}";

inline constexpr std::string_view kRs256 =
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InIxIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIiwiYXVkIjpb"
    "ImltYXAiLCJyaW5nbWFpbCJdLCJleHAiOjE3NjcyMjkyMDAsIm5iZiI6MTc2NzIyNTYwMCwiZW1haWwiOiJ0aW1A"
    "ZXhhbXBsZS5vcmciLCJzdWIiOiJ0aW0ifQ.NKRlCXG0y96wpaeW94rXwsfaWHtjf5nAnvXEE6K6dalEWjZtdi8iu"
    "dSSmYp5pymFb2s_1m1wvc_XdTSYfc9KW-09AOK_lzPWglPDxCUu_vzVeuf3jOlgGSVZd2CaV2f35TKDdrBLvho8Q"
    "gU2kwQSk3iIki8JBRKmDjMPTG0BfBC2bq6ZO7a3Rk2Ha7TgIj6ZpoRv7bgkrbgAjXxuXodoRXcGJCOiT-QaLSPM9"
    "YCoqnZsyv6OLHohgP3LMSrSgB2_gzWF6mqFh1pMDIEQapR9w6QbwK_dDpOLmPX7vn2aYzuF5ui6UoRp_ofIJbL6M"
    "43DeOJ9fVaiaV35Azw70Wz3Vw";

inline constexpr std::string_view kEs256 =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUxIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIiwiYXVkIjpb"
    "ImltYXAiLCJyaW5nbWFpbCJdLCJleHAiOjE3NjcyMjkyMDAsIm5iZiI6MTc2NzIyNTYwMCwiZW1haWwiOiJ0aW1A"
    "ZXhhbXBsZS5vcmciLCJzdWIiOiJ0aW0ifQ.QPD-8zXgPn0P35IfmZ0HxasTTZcf90DNWfB1406wM_AUlZ6QIRMUM"
    "gH2CrK4NH7K7w4OyhKtyiIuU9-uIDaazA";

inline constexpr std::string_view kEdDsa =
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImQxIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIiwiYXVkIjpb"
    "ImltYXAiLCJyaW5nbWFpbCJdLCJleHAiOjE3NjcyMjkyMDAsIm5iZiI6MTc2NzIyNTYwMCwiZW1haWwiOiJ0aW1A"
    "ZXhhbXBsZS5vcmciLCJzdWIiOiJ0aW0ifQ.c4UARECk63EOss0tm-9dQgxlnaNoJhpvkwD5rt8Z5BQ7uOHfBEKUU"
    "ewz_6B-13S5u1RKGLyHt8x44-kxyoYxBA";

inline constexpr std::string_view kNoKid =
    "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIiwiYXVkIjpbImltYXAiLCJyaW5"
    "nbWFpbCJdLCJleHAiOjE3NjcyMjkyMDAsIm5iZiI6MTc2NzIyNTYwMCwiZW1haWwiOiJ0aW1AZXhhbXBsZS5vcmc"
    "iLCJzdWIiOiJ0aW0ifQ.ha3R6vVZcQmSnC8MpVwJYBRdUv4SWX5wHFiiZvm2_5no8LdEEFVWsGVVJO_3jjv8OnlO"
    "tPjEm9ke1ukWs79fBw";

inline constexpr std::string_view kOtherKid =
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImQ5In0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIiwiYXVkIjpb"
    "ImltYXAiLCJyaW5nbWFpbCJdLCJleHAiOjE3NjcyMjkyMDAsIm5iZiI6MTc2NzIyNTYwMCwiZW1haWwiOiJ0aW1A"
    "ZXhhbXBsZS5vcmciLCJzdWIiOiJ0aW0ifQ.rqW47JBNQDZeba7o-32gmR-JfZz5Vdte8OpIobTofDpZ3L9gPvTW5"
    "_LpbgAhNW_OmAhYYV3FZijG3NUKsWc9CQ";

inline constexpr std::string_view kCritical =
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImQxIiwiY3JpdCI6WyJiNjQiXSwiYjY0Ijp0cnVlfQ.eyJpc3MiOiJodHRwc"
    "zovL2lkLmV4YW1wbGUub3JnIiwiYXVkIjpbImltYXAiLCJyaW5nbWFpbCJdLCJleHAiOjE3NjcyMjkyMDAsIm5iZ"
    "iI6MTc2NzIyNTYwMCwiZW1haWwiOiJ0aW1AZXhhbXBsZS5vcmciLCJzdWIiOiJ0aW0ifQ.JDWCW3YMBeOMS5G2E5"
    "PbsPNiuycoNWgsWjw3L7Tk79gP1EOqkgqwg-7AM_RJMl4qlR9iklyRnz7W8JtAiHFGCA";

inline constexpr std::string_view kOtherIssuer =
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImQxIn0.eyJpc3MiOiJodHRwczovL2V2aWwuZXhhbXBsZSIsImF1ZCI6WyJp"
    "bWFwIiwicmluZ21haWwiXSwiZXhwIjoxNzY3MjI5MjAwLCJuYmYiOjE3NjcyMjU2MDAsImVtYWlsIjoidGltQGV4"
    "YW1wbGUub3JnIiwic3ViIjoidGltIn0.-nlt1nY__mSYodMxnFT5kl-h-TT9P4aCTRsk26Vky5FC15EHJl0rA4IB"
    "O6C5j2Cy6Zbpx2TFnD4Qa69-w8-KBA";

inline constexpr std::string_view kOtherAudience =
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImQxIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIiwiYXVkIjoi"
    "d2ViIiwiZXhwIjoxNzY3MjI5MjAwLCJuYmYiOjE3NjcyMjU2MDAsImVtYWlsIjoidGltQGV4YW1wbGUub3JnIiwi"
    "c3ViIjoidGltIn0.HYQm5HLkN5xtneLDizBsUaLm2vUZFPp05QzZ634H9y5ZxCHRsyxGHR2PJVVJgmO7H3LU5qy5"
    "wdVff4SNaxunAA";

inline constexpr std::string_view kTextAudience =
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImQxIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIiwiYXVkIjoi"
    "cmluZ21haWwiLCJleHAiOjE3NjcyMjkyMDAsIm5iZiI6MTc2NzIyNTYwMCwiZW1haWwiOiJ0aW1AZXhhbXBsZS5v"
    "cmciLCJzdWIiOiJ0aW0ifQ.WmtcWN9OHHyZA3Nk-YtLB5pV1MivJ_6uzc2rayRuqS7szYvwzQYdLk_KjKN7dyRrH"
    "FpSuXM1aC8MHWtKdhBaBQ";

inline constexpr std::string_view kNoExpiry =
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImQxIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIiwiYXVkIjpb"
    "ImltYXAiLCJyaW5nbWFpbCJdLCJuYmYiOjE3NjcyMjU2MDAsImVtYWlsIjoidGltQGV4YW1wbGUub3JnIiwic3Vi"
    "IjoidGltIn0.lmh2DSrlDFIazFNiwr6BzEPh94RYVmOsH1pMpbfHHs6SG_BNz-QPbJb6ZijArI_pOPgZKz8fePU9"
    "u5QevgIfBQ";

inline constexpr std::string_view kNoEmail =
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImQxIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIiwiYXVkIjpb"
    "ImltYXAiLCJyaW5nbWFpbCJdLCJleHAiOjE3NjcyMjkyMDAsIm5iZiI6MTc2NzIyNTYwMCwic3ViIjoidGltIn0."
    "V5ZZxi0KGzAWytJsSLcssS5aAeLCeIfTz30-itJxXyq_9O3coQN00VTkUdI2o5X1DiXf1U8iRZEQZMWmSkjiAQ";

inline constexpr std::string_view kUnverified =
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImQxIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIiwiYXVkIjpb"
    "ImltYXAiLCJyaW5nbWFpbCJdLCJleHAiOjE3NjcyMjkyMDAsIm5iZiI6MTc2NzIyNTYwMCwiZW1haWwiOiJ0aW1A"
    "ZXhhbXBsZS5vcmciLCJzdWIiOiJ0aW0iLCJlbWFpbF92ZXJpZmllZCI6ZmFsc2V9.sQhz2XaUomI8pVVeM3k-Mvh"
    "qsdN2y2wuFTjT3Y-cZYCOYTT10015qOEyF0wjQPGAmv3H-ThszLGicmOSJAlzBg";

inline constexpr std::string_view kScoped =
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImQxIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIiwiYXVkIjpb"
    "ImltYXAiLCJyaW5nbWFpbCJdLCJleHAiOjE3NjcyMjkyMDAsIm5iZiI6MTc2NzIyNTYwMCwiZW1haWwiOiJ0aW1A"
    "ZXhhbXBsZS5vcmciLCJzdWIiOiJ0aW0iLCJzY29wZSI6InByb2ZpbGUgbWFpbCJ9.C_anDZBmhNh3LL_3N98nxXE"
    "wHINcFs0XO6kkYNg8NNkT6xE7F07MjtbtDwKo8QGEayGQU3DOyi6khyJeKp85CA";

inline constexpr std::string_view kTwoIssuers =
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImQxIn0.eyJpc3MiOiJodHRwczovL2V2aWwuZXhhbXBsZSIsImlzcyI6Imh0"
    "dHBzOi8vaWQuZXhhbXBsZS5vcmciLCJhdWQiOlsiaW1hcCIsInJpbmdtYWlsIl0sImV4cCI6MTc2NzIyOTIwMCwi"
    "bmJmIjoxNzY3MjI1NjAwLCJlbWFpbCI6InRpbUBleGFtcGxlLm9yZyIsInN1YiI6InRpbSJ9.6ByjamUL40deyxo"
    "0UWymXK22LL9HXqY1om1yTzCbGNRK9rEcppKrjm7w9UgZyROsSC5D_GsUQHQzp5GHQ_yWDg";

inline constexpr std::string_view kEve =
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImQxIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIiwiYXVkIjpb"
    "ImltYXAiLCJyaW5nbWFpbCJdLCJleHAiOjE3NjcyMjkyMDAsIm5iZiI6MTc2NzIyNTYwMCwiZW1haWwiOiJldmVA"
    "ZXhhbXBsZS5vcmciLCJzdWIiOiJ0aW0ifQ.AAf1zkzfC7ll0VWmM-Mjnp_TE2RO7x2thy8hZ6MrxXvvqWPbQMvNi"
    "kXGj6jCXMfj3T623m36emmobQcIs_SVBQ";

inline constexpr std::string_view kStranger =
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImQxIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUub3JnIiwiYXVkIjpb"
    "ImltYXAiLCJyaW5nbWFpbCJdLCJleHAiOjE3NjcyMjkyMDAsIm5iZiI6MTc2NzIyNTYwMCwiZW1haWwiOiJub2Jv"
    "ZHlAZXhhbXBsZS5vcmciLCJzdWIiOiJ0aW0ifQ.0YrvOcxU2zybpRohhNdFJlWjmbCHFC8ckE1GTjQ5lLknZzT0e"
    "MlCwzd_5jV5nj8Yp7Pb2LABv1dtqsEGg3NADQ";

}  // namespace ringmail::credential
