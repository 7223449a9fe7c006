"""The choice of a language, by somebody who is signed in or not yet."""

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from labeling import languages
from labeling.services.languages import keep_language


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """From here on pages come in this language; back to the page on which it was chosen."""
    language = request.POST.get("language", "")
    if not languages.is_offered(language):
        return HttpResponseBadRequest()
    if request.user.is_authenticated:
        keep_language(user=request.user, language=language)
    else:
        request.session[languages.CHOSEN] = language
    back = request.POST.get("back", "")
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure())
    response = redirect(back if safe else "/")
    languages.remember(response, language)
    return response
