// Pages for people. They load nothing from elsewhere, which their policy also
// forbids.
#ifndef CC_FRONTEND_REST_PAGE_H_
#define CC_FRONTEND_REST_PAGE_H_

#include "cc/frontend/http/http.h"

namespace rest {

// At /: what is served, how it is, and how fast.
http::Response Page();

// At /ocr: takes a picture and shows its text.
http::Response OcrPage();

}  // namespace rest

#endif  // CC_FRONTEND_REST_PAGE_H_
