import { behavesLikeTheOthers } from './behaviours';

behavesLikeTheOthers('vue');
