import { apiProxy } from '../frameworks/apiProxy.mjs';

export default await apiProxy();
